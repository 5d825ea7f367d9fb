"""The `files` source keeps the contract of identity sources."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certs import keys
from certs.clock import Clock, SystemClock
from certs.sources.base import IdentitySource
from certs.sources.files import FilesSource
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.certificates import Leaf, root


class FilesStage:
    """Three files, and a hand that writes them."""

    makes_new_keys = False

    def __init__(self, folder: Path) -> None:
        self.clock: Clock = SystemClock()
        self._root = root(start=self.clock.now() - timedelta(days=1))
        self._folder = folder
        self._away = folder.with_name("away")
        self.source: IdentitySource = FilesSource(
            folder / "client.crt", folder / "client.key", folder / "ca.pem", poll_interval_s=0.05
        )
        self._write()

    async def prepare_next(self) -> None:
        self._write()

    async def break_off(self) -> None:
        self._folder.rename(self._away)

    async def mend(self) -> None:
        self._away.rename(self._folder)

    def _write(self) -> None:
        key, now = keys.generate(), self.clock.now()
        leaf = Leaf(not_before=now - timedelta(seconds=60), not_after=now + timedelta(seconds=3600))
        (self._folder / "client.crt").write_bytes(self._root.chain_of(self._root.leaf(key, leaf)))
        (self._folder / "client.key").touch(mode=0o600)
        (self._folder / "client.key").write_bytes(keys.to_pem(key))
        (self._folder / "ca.pem").write_bytes(self._root.pem)


class TestFilesSource(IdentitySourceContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> FilesStage:
        folder = tmp_path / "identity"
        folder.mkdir(mode=0o700)
        return FilesStage(folder)
