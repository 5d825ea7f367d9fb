"""The issuer source keeps the contract of identity sources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certs.issuer.folder import init
from certs.issuer.http import IssuerServer
from certs.issuer.service import Grant
from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock


class IssuerStage:
    """A real issuer on loopback; an outage is its end, and it comes back where it was."""

    makes_new_keys = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = ManualClock()

    async def start(self) -> None:
        await asyncio.to_thread(init, self._folder, trust_domain=TRUST_DOMAIN, now=self.clock.now())
        self._server = IssuerServer(self._folder, clock=self.clock)
        await self._server.start()
        token = (await self._server.make_token(Grant(workload="planner", uses=10))).text

        async def read_token() -> Secret:
            return token

        self.source = IssuerSource(
            url=self._server.url,
            ca_pin=self._server.ca_pin,
            read_token=read_token,
            clock=self.clock,
        )

    async def prepare_next(self) -> None:
        """The issuer always has a newer one."""

    async def break_off(self) -> None:
        await self._server.stop()

    async def mend(self) -> None:
        self._server = IssuerServer(self._folder, port=self._server.port, clock=self.clock)
        await self._server.start()

    async def stop(self) -> None:
        await self.source.close()
        await self._server.stop()


class TestIssuerSource(IdentitySourceContract):
    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[IssuerStage]:
        stage = IssuerStage(tmp_path / "issuer")
        await stage.start()
        yield stage
        await stage.stop()
