"""The issuer's client against servers that break the handshake: each time told, at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import pytest

from certs import tls_context
from certs.errors import SourceUnavailable
from certs.sources.issuer_client import IssuerClient
from tests.fakes.authority import Authority
from tests.fakes.hostile_handshakes import ENDED, SILENT, WRONG, Attack, HostileServer

FAILING: Final[dict[str, Attack]] = {**WRONG, **ENDED}


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileServer]:
    with HostileServer(Authority().issue("localhost")) as server:
        yield server


async def failure(hostile: HostileServer, timeout_s: float) -> str:
    """How the first contact ends."""
    url = f"https://127.0.0.1:{hostile.port}"
    client = IssuerClient(url, timeout_s=timeout_s, now=lambda: datetime.now(UTC))
    with pytest.raises(SourceUnavailable) as caught:
        await client.bundle(tls_context.stranger_context())
    return str(caught.value)


@pytest.mark.parametrize("name", FAILING)
async def test_a_handshake_that_fails_is_told_at_once(hostile: HostileServer, name: str) -> None:
    hostile.attack = FAILING[name]
    told = await failure(hostile, 20)
    assert "didn't answer" not in told


@pytest.mark.parametrize("name", SILENT)
async def test_silence_ends_with_the_steps_deadline(hostile: HostileServer, name: str) -> None:
    hostile.attack = SILENT[name]
    assert await failure(hostile, 0.2) == (
        f"trust: the issuer https://127.0.0.1:{hostile.port} didn't answer in 0.2 s"
    )
