"""Calls of identity sources: what a far side or a credential can't do to them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from certs import keys, tls_context
from certs.errors import SourceDenied
from certs.sources.https_call import Far, HttpsCaller
from tests.fakes.certificates import root
from tests.fakes.hostile_leaves import good
from tests.fakes.scripted_https import host_leaf

FAR = Far(name="the far side", if_unreachable="", if_stranger="")
NOW = datetime.now(UTC)
SIGNER = root(start=NOW.replace(microsecond=0))


@asynccontextmanager
async def answering(head: bytes) -> AsyncIterator[HttpsCaller]:
    """A caller of a server that says the same to everybody, letter by letter."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head + b"\r\n\r\n")
            await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = keys.generate()
    certificate = SIGNER.leaf(key, host_leaf(good(NOW)))
    tls_context.load_key_pair(
        context, key_pem=keys.to_pem(key), chain_pem=SIGNER.chain_of(certificate)
    )
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    yield HttpsCaller(f"https://127.0.0.1:{port}", FAR, timeout_s=20, now=lambda: datetime.now(UTC))
    server.close()
    await server.wait_closed()


@pytest.fixture
def context() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=SIGNER.pem.decode())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b'"7"', '"7"'),
        (b'W/"7"', 'W/"7"'),
        (b'"\xff"', ""),
        (b'"\x01"', ""),
        (b'"' + b"7" * 300 + b'"', ""),
    ],
)
async def test_a_tag_that_cant_be_sent_back_is_none(
    context: ssl.SSLContext, given: bytes, kept: str
) -> None:
    """Else the far side could make each call after the first one fail."""
    async with answering(b"ETag: " + given) as caller:
        answer = await caller.call("lists", "GET", "x", context)
        assert answer.tag == kept
        await caller.call("lists", "GET", "x", context, headers={"If-None-Match": answer.tag})


async def test_a_credential_that_no_header_holds_is_told_without_it(
    context: ssl.SSLContext,
) -> None:
    async with answering(b"X: y") as caller:
        with pytest.raises(SourceDenied, match="no header can hold") as caught:
            await caller.call("login", "GET", "x", context, headers={"X-Token": "hunter2\nhunter3"})
    assert "one line" in caught.value.hint
    assert "hunter" not in f"{caught.value}{caught.value.hint}"
