"""The vault source keeps the contract of identity sources, against a real OpenBao."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certs.clock import Clock, SystemClock
from certs.sources.vault import VaultEngine, VaultLogin, VaultSource
from identity.secret_stores.base import Secret
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.certificates import AGENT
from tests.fakes.openbao import OpenBao

pytestmark = pytest.mark.program("bao")


class VaultStage:
    """A real OpenBao on loopback; in an outage it is frozen."""

    makes_new_keys = True

    def __init__(self, bao: OpenBao) -> None:
        self.clock: Clock = SystemClock()
        self._bao = bao
        role_id, self._secret_id = bao.approle()
        self.source = VaultSource(
            engine=VaultEngine(url=bao.url, ca_file=bao.ca_file, role="agent"),
            login=VaultLogin(method="approle", mount="approle", role_id=role_id),
            read_credential=self._credential,
            spiffe_id=AGENT,
            clock=self.clock,
            step_timeout_s=2.0,
        )

    async def _credential(self) -> Secret:
        return Secret(self._secret_id)

    async def prepare_next(self) -> None:
        """Vault always has a newer one."""

    async def break_off(self) -> None:
        self._bao.signal(signal.SIGSTOP)

    async def mend(self) -> None:
        self._bao.signal(signal.SIGCONT)


class TestVaultSource(IdentitySourceContract):
    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[VaultStage]:
        with OpenBao(tmp_path / "bao") as bao:
            await asyncio.to_thread(bao.start)
            yield await asyncio.to_thread(VaultStage, bao)
