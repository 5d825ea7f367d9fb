from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.config.model import TcpAddress
from gateway.control_plane.metrics_server import MetricsServer
from gateway.control_plane.status import GatewayState
from gateway.errors import StartFailed
from tests.fakes.stack import free_port
from tests.unit.gateway.control_plane.test_status import gateway_state


async def state() -> GatewayState:
    return gateway_state()


@asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[str]:
    address = TcpAddress(host, free_port())
    server = MetricsServer(address, state)
    await server.start()
    try:
        yield str(address)
    finally:
        await server.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address.host, address.port))


async def ask(method: str, url: str, **headers: str) -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=headers) as reply,
    ):
        return reply.status, reply.headers["Content-Type"], await reply.text()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_metrics_can_be_scraped(host: str) -> None:
    async with serving(host) as address:
        status, content_type, text = await ask("GET", f"http://{address}/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {
        family.name: family.samples[0].value for family in text_string_to_metric_families(text)
    }
    assert found["devwiz_gw_ready"] == 1.0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/startupz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/status", 404),
        ("GET", "/requests", 404),
        ("POST", "/drain", 404),
        ("POST", "/metrics", 405),
    ],
)
async def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    async with serving() as address:
        assert (await ask(method, f"http://{address}{path}"))[0] == status


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:1"])
async def test_a_page_that_was_lured_here_is_told_nothing(host: str) -> None:
    async with serving() as address:
        status, _, text = await ask("GET", f"http://{address}/metrics", Host=host)
    assert status == 421
    assert "devwiz_gw_" not in text


async def test_what_is_not_http_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n")
        assert b" 400 " in await reader.readuntil(b"\r\n")
        writer.close()
        await writer.wait_closed()
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed, match=f"can't serve metrics on 127.0.0.1:{port}: ") as told:
            await MetricsServer(TcpAddress("127.0.0.1", port), state).start()
    assert "telemetry.metrics_listen" in told.value.hint


async def test_without_an_address_it_does_nothing() -> None:
    server = MetricsServer(None, state)
    await server.start()
    await server.close()
