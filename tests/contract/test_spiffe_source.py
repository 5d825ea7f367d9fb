"""The spiffe source keeps the contract of identity sources, against a server on grpc-go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from certs.clock import Clock, SystemClock
from certs.sources.spiffe import SpiffeSource
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.workload_api import Domain, WorkloadApi

pytestmark = pytest.mark.program("workload-api")


class SpiffeStage:
    """A Workload API on a Unix socket; an outage is its end."""

    makes_new_keys = False

    def __init__(self, api: WorkloadApi) -> None:
        self.clock: Clock = SystemClock()
        self._api = api
        self._domain = Domain()
        self.source = SpiffeSource(api.endpoint, clock=self.clock)
        api.give(self._domain.svid())

    async def prepare_next(self) -> None:
        self._api.give(self._domain.svid())

    async def break_off(self) -> None:
        self._api.kill()

    async def mend(self) -> None:
        self._api.start()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[WorkloadApi]:
    with WorkloadApi(tmp_path / "api.sock") as api:
        yield api


class TestSpiffeSource(IdentitySourceContract):
    @pytest.fixture
    async def stage(self, api: WorkloadApi) -> AsyncIterator[SpiffeStage]:
        stage = SpiffeStage(api)
        yield stage
        await stage.source.close()
