"""h2spec, the conformance suite of HTTP/2 and HPACK, finds nothing in the Workload API's server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.components import require_program
from tests.fakes.authority import Authority
from tests.fakes.gateway_process import GatewayProcess

pytestmark = [pytest.mark.program("h2spec"), pytest.mark.timeout(60)]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tcp_port_of(path: Path) -> AsyncIterator[int]:
    """A port that leads to a Unix socket."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_h2spec_passes(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway:
        gateway.configure(more='[workload_api]\nsocket = "unix:w.sock"\n')
        gateway.start()
        gateway.until_ready()
        async with tcp_port_of(tmp_path / "w.sock") as port:
            process = await asyncio.create_subprocess_exec(
                require_program("h2spec"),
                *("--strict", "--timeout", "10", "--port", str(port)),
                *("--path", "/SpiffeWorkloadAPI/FetchX509SVID"),
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
        *_, result = said.decode().strip().splitlines()
        assert result == "146 tests, 146 passed, 0 skipped, 0 failed", said.decode()
        gateway.command("drain")
        assert gateway.wait()[0] == 0
