"""The issuer's bundle document as the official go-spiffe library reads it, over a rotation."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import tls_context
from certs.clock import SystemClock
from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import init, open_issuer
from certs.issuer.http import IssuerServer
from tests.components import require_program
from tests.fakes.issuer import TRUST_DOMAIN

pytestmark = pytest.mark.program("bundle-reader")
DEADLINE_S = 20


async def fetched(server: IssuerServer, query: str = "") -> bytes:
    connector = aiohttp.TCPConnector(ssl=tls_context.stranger_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{server.url}/v1/bundle{query}") as response,
    ):
        assert response.status == 200
        return await response.read()


def read(document: bytes) -> dict[str, Any]:
    """What go-spiffe makes of it."""
    done = subprocess.run(
        [require_program("bundle-reader"), TRUST_DOMAIN],
        input=document,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def enter(folder: Path, phase: Phase) -> None:
    opened = open_issuer(folder)
    opened.rotation.enter(phase, SystemClock().now())
    opened.service.close()


async def test_it_is_read_whole_in_each_version(tmp_path: Path) -> None:
    folder = tmp_path / "issuer"
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=SystemClock().now())
    server = IssuerServer(folder)
    await server.start()
    try:
        first = await asyncio.to_thread(read, await fetched(server))
        waiting = asyncio.create_task(fetched(server, "?after=1"))
        await asyncio.to_thread(enter, folder, Phase.INIT)
        async with asyncio.timeout(DEADLINE_S):
            second = await asyncio.to_thread(read, await waiting)
        pem = await asyncio.to_thread((folder / "authorities/1/root.crt").read_bytes)
    finally:
        await server.stop()
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    assert first == {
        "trust_domain": TRUST_DOMAIN,
        "sequence": 1,
        "has_sequence": True,
        "refresh_hint_s": 300,
        "authorities": [hashlib.sha256(der).hexdigest()],
        "jwt_keys": 0,
    }
    assert second["sequence"] == 2
    assert len(second["authorities"]) == 2
    assert first["authorities"][0] in second["authorities"]
