"""A remote agent with a real HTTP server: JSON, server-sent events, WebSockets, large bodies.

aiohttp behind TLS 1.3 with required client certificates, in a thread with a loop of its own, so
that a test may block.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import WSMsgType, web
from cryptography import x509

from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.scripted_upstream import wait_until

BLOCK = bytes(range(256)) * 4096  # 1 MiB
PAUSE_S = 0.02
_END_S = 0.05


class AgentServer:
    """Serves on 127.0.0.1 until it is closed.

    `/echo` answers with what it was sent, and repeats the request's headers as its own;
    `/events?count=N` numbers events from 0; `/ws` sends each message back; `/bytes?blocks=N` and
    `/digest` take and give large bodies; `/hang` never answers.

    Attributes:
        port: where.
        headers: the fields of every request, as they came.
        serials: of the client certificates that made requests, in order of their first one.
        hanging: requests that wait for an answer.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        """Without a context it speaks plaintext, as an agent behind an ingress does."""
        self.port = 0
        self.headers: list[list[tuple[str, str]]] = []
        self.serials: list[str] = []
        self.hanging = 0
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def until_serials(self, count: int) -> None:
        """Wait until so many certificates made requests."""
        wait_until(lambda: len(self.serials) >= count)

    async def _run(self) -> None:
        application = web.Application(client_max_size=1 << 30, middlewares=[self._note])
        application.router.add_route("*", "/echo", _echo)
        application.router.add_get("/events", _events)
        application.router.add_get("/ws", _web_socket)
        application.router.add_get("/bytes", _bytes)
        application.router.add_post("/digest", _digest)
        application.router.add_get("/hang", self._hang)
        runner = web.AppRunner(application, shutdown_timeout=_END_S, handler_cancellation=True)
        await runner.setup()
        assert runner.server is not None
        end_s = None if self._context is None else _END_S
        server = await self._loop.create_server(
            runner.server, "127.0.0.1", 0, ssl=self._context, ssl_shutdown_timeout=end_s
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        await runner.cleanup()
        await asyncio.sleep(2 * _END_S)  # until the last farewell was said, or given up

    @web.middleware
    async def _note(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.headers.append(list(request.headers.items()))
        serial = serial_of(request)
        if serial not in self.serials:
            self.serials.append(serial)
        return await handler(request)

    async def _hang(self, _request: web.Request) -> web.StreamResponse:
        self.hanging += 1
        try:
            await asyncio.sleep(60)
        finally:
            self.hanging -= 1
        raise AssertionError


def serial_of(request: web.Request) -> str:
    """Serial number of the client's certificate, as `status` shows it; "" without one."""
    tls = request.get_extra_info("ssl_object")
    if tls is None:
        return ""
    return f"{x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number:x}"


async def _echo(request: web.Request) -> web.StreamResponse:
    own = {"content-length", "transfer-encoding", "connection", "host", "content-type"}
    fields = [(name, value) for name, value in request.headers.items() if name.lower() not in own]
    answer = {
        "method": request.method,
        "serial": serial_of(request),
        "body": (await request.read()).decode("latin-1"),
    }
    response = web.json_response(answer)
    for name, value in fields:
        response.headers.add(f"Echo-{name}", value)
    return response


async def _events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    pause_s = float(request.query.get("pause", PAUSE_S))
    for number in range(int(request.query["count"])):
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(pause_s)
    return response


async def _web_socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def _bytes(request: web.Request) -> web.StreamResponse:
    blocks = int(request.query["blocks"])
    response = web.StreamResponse(headers={"Content-Length": str(blocks * len(BLOCK))})
    await response.prepare(request)
    for _ in range(blocks):
        await response.write(BLOCK)
    return response


async def _digest(request: web.Request) -> web.Response:
    hasher = hashlib.sha256()
    async for piece in request.content.iter_any():
        hasher.update(piece)
    return web.Response(text=hasher.hexdigest())
