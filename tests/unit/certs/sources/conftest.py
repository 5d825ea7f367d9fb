"""The issuer that ships here, for the sources that call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from certs.issuer.folder import init
from certs.issuer.http import IssuerServer
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "issuer"


@pytest.fixture
async def server(folder: Path, clock: ManualClock) -> AsyncIterator[IssuerServer]:
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    server = IssuerServer(folder, clock=clock)
    await server.start()
    yield server
    await server.stop()
