"""The google-wif source keeps the contract of identity sources, against stand-ins that verify."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certs.clock import Clock, SystemClock
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.google_cloud import Fault, GoogleCloud
from tests.fakes.google_source import source_by_file


class GoogleWifStage:
    """The real google-auth between a file with a token and the stand-ins; an outage is theirs."""

    makes_new_keys = True

    def __init__(self, folder: Path, cloud: GoogleCloud) -> None:
        self.clock: Clock = SystemClock()
        self._cloud = cloud
        self.source = source_by_file(folder, cloud)

    async def prepare_next(self) -> None:
        """The service always has a newer one."""

    async def break_off(self) -> None:
        self._cloud.fault = Fault("", status=503)

    async def mend(self) -> None:
        self._cloud.fault = None


class TestGoogleWifSource(IdentitySourceContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[GoogleWifStage]:
        with GoogleCloud(tmp_path) as cloud:
            yield GoogleWifStage(tmp_path, cloud)
