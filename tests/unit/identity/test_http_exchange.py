"""One exchange, against a server that answers as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestServer

from identity.http_exchange import Reply, ReplyTooLarge, exchange

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[TestServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server with one handler."""
    servers: list[TestServer] = []

    async def start(answer: Answer) -> TestServer:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        servers.append(TestServer(application))
        await servers[-1].start_server()
        return servers[-1]

    yield start
    for server in servers:
        await server.close()


async def ask(server: TestServer, *, timeout_s: float = 20.0, **options: object) -> Reply:
    """A request with a bound of 100 bytes."""
    told = {"headers": {"X-Sent": "yes"}, **options}
    url = server.make_url("/path?a=b")
    return await exchange("POST", url, timeout_s=timeout_s, most_bytes=100, **told)  # type: ignore[arg-type]


async def test_what_was_sent_and_what_came_back(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        told = f"{request.method} {request.path_qs} {request.headers['X-Sent']} "
        return web.Response(status=418, text=told + await request.text(), headers={"Date": "x"})

    server = await serve(answer)
    reply = await ask(server, form={"k": "v"})
    assert (reply.status, reply.headers["date"]) == (418, "x")
    assert reply.body == b"POST /path?a=b yes k=v"
    assert (await ask(server, body={"k": 1})).body.endswith(b'{"k": 1}')
    assert "418" not in repr(reply)


async def test_a_redirect_is_an_answer(serve: Serve) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert (await ask(await serve(answer))).status == 302


@pytest.mark.parametrize("size", [100, 101])
async def test_the_bound_holds_for_streams_too(serve: Serve, size: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(size):
            await response.write(b"x")
        return response

    server = await serve(answer)
    if size > 100:
        with pytest.raises(ReplyTooLarge):
            await ask(server)
    else:
        assert (await ask(server)).body == b"x" * 100


async def test_a_proxy_of_the_environment_is_not_asked(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="direct")

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await ask(await serve(answer))).body == b"direct"


async def test_a_server_that_says_nothing_or_is_gone(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server = await serve(answer)
    with pytest.raises(ClientError):
        await ask(server)
    url = server.make_url("/")
    await server.close()
    with pytest.raises(ClientError):
        await exchange("GET", url, timeout_s=20.0, most_bytes=1, headers={})


async def test_a_header_that_can_not_be_sent(serve: Serve) -> None:
    async def answer(_request: web.Request) -> web.Response:
        raise AssertionError

    with pytest.raises(ValueError, match="header"):
        await ask(await serve(answer), headers={"X-Sent": "two\r\nlines"})
