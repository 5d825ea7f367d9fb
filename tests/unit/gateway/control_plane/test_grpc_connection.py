"""gRPC over HTTP/2 with callers that are honest, slow, dead, confused or hostile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control_plane.grpc_connection import ConnectionLimits, GrpcConnection
from gateway.control_plane.grpc_message import CallFailed, Code, framed

WITHIN_S = 20
HEAD = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/Echo/Count"),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


class Echo:
    """Answers by path; "/Echo/Wait" says one thing and then waits."""

    async def answers(self, path: str, metadata: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        match path:
            case "/Echo/Count":
                for number in range(3):
                    yield b"%d" % number
            case "/Echo/Wait":
                yield b"first"
                await asyncio.Event().wait()
            case "/Echo/Much":
                while True:
                    yield bytes(100_000)
            case "/Echo/Defect":
                raise RuntimeError(metadata.get("secret", ""))
            case _:
                raise CallFailed(Code.UNIMPLEMENTED, "there is no such method: ü")


@dataclass
class Client:
    """An HTTP/2 client that does as it is told and keeps what it sees."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    h2: H2Connection = field(
        default_factory=lambda: H2Connection(
            H2Configuration(client_side=True, header_encoding="utf-8")
        )
    )
    events: list[Any] = field(default_factory=list)
    acknowledges: bool = True
    is_over: bool = False

    def begin(self) -> None:
        self.h2.initiate_connection()
        self.send()

    def send(self, data: bytes | None = None) -> None:
        self.writer.write(self.h2.data_to_send() if data is None else data)

    def call(
        self, path: str = "/Echo/Count", *more: tuple[str, str], body: bytes = framed(b"")
    ) -> int:
        stream = self.h2.get_next_available_stream_id()
        head = [(name, path if name == ":path" else value) for name, value in HEAD]
        self.h2.send_headers(stream, [*head, *more])
        self.h2.send_data(stream, body, end_stream=True)
        self.send()
        return stream

    async def until(self, found: Callable[[], Any]) -> Any:
        async with asyncio.timeout(WITHIN_S):
            while not (result := found()):
                assert not self.is_over
                await self._read()
        return result

    async def until_cut(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not self.is_over:
                await self._read()

    async def _read(self) -> None:
        try:
            data = await self.reader.read(65536)
        except ConnectionError:
            data = b""
        self.is_over = not data
        assert data or self.is_over
        for event in self.h2.receive_data(data) if data else ():
            self.events.append(event)
            if isinstance(event, DataReceived) and self.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if not self.is_over:
            self.send()

    def data(self, stream: int) -> bytes:
        found = [e for e in self.events if isinstance(e, DataReceived) and e.stream_id == stream]
        return b"".join(event.data for event in found)

    def status(self, stream: int) -> dict[str, str]:
        """The trailers of a call, wherever they came; empty while there are none."""
        for event in self.events:
            if (
                isinstance(event, ResponseReceived | TrailersReceived)
                and event.stream_id == stream
                and (fields := {_text(k): _text(v) for k, v in event.headers})
                and ("grpc-status" in fields or fields.get(":status", "200") != "200")
            ):
                return fields
        return {}

    async def ending(self, stream: int) -> dict[str, str]:
        fields: dict[str, str] = await self.until(lambda: self.status(stream))
        return fields

    def reset(self, stream: int) -> ErrorCodes | int | None:
        for event in self.events:
            if isinstance(event, StreamReset) and event.stream_id == stream:
                return event.error_code
        return None

    def goaway(self) -> ErrorCodes | int | None:
        for event in self.events:
            if isinstance(event, ConnectionTerminated):
                return event.error_code
        return None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


@asynccontextmanager
async def serving(folder: Path, **limits: Any) -> AsyncIterator[Client]:
    """One client of a server; both are gone afterwards."""
    running: list[tuple[asyncio.Task[None], GrpcConnection]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = GrpcConnection(reader, writer, Echo(), ConnectionLimits(**limits))
        task = asyncio.current_task()
        assert task is not None
        running.append((task, connection))
        await connection.run()

    path = folder / "s"
    server = await asyncio.start_unix_server(serve, path)
    client = Client(*await asyncio.open_unix_connection(path))
    client.connections = running  # type: ignore[attr-defined]
    try:
        yield client
    finally:
        client.writer.transport.abort()
        server.close()
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*(task for task, _ in running), return_exceptions=True)


async def test_a_call_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        stream = client.call()
        assert (await client.ending(stream))["grpc-status"] == "0"
        assert client.data(stream) == framed(b"0") + framed(b"1") + framed(b"2")
        head = next(event for event in client.events if isinstance(event, ResponseReceived))
        fields = {str(name): str(value) for name, value in head.headers}
        assert fields == {
            ":status": "200",
            "content-type": "application/grpc",
            "grpc-accept-encoding": "identity",
        }


async def test_calls_at_the_same_time_dont_wait_for_each_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        waiting = [client.call("/Echo/Wait") for _ in range(5)]
        await client.until(lambda: all(client.data(stream) for stream in waiting))
        assert (await client.ending(client.call()))["grpc-status"] == "0"


async def test_a_message_in_pieces(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        client.h2.send_headers(1, HEAD)
        for byte in framed(b"x"):
            client.h2.send_data(1, bytes([byte]))
            client.send()
            await asyncio.sleep(0)
        # What isn't ended yet is answered as well: the message is there.
        assert (await client.ending(1))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("path", "more", "body", "code"),
    [
        ("/Echo/Nothing", (), framed(b""), "12"),
        ("/Echo/Defect", (("secret", "hunter2"),), framed(b""), "13"),
        ("/Echo/Wait", (("grpc-timeout", "10m"),), framed(b""), "4"),
        ("/Echo/Count", (("grpc-timeout", "soon"),), framed(b""), "3"),
        ("/Echo/Count", (), b"", "13"),
        ("/Echo/Count", (), b"\0\0\0\0\5abc", "13"),
        ("/Echo/Count", (), framed(b"") * 2, "13"),
        ("/Echo/Count", (("grpc-encoding", "gzip"),), b"\1\0\0\0\0", "12"),
        ("/Echo/Count", (("grpc-encoding", "identity"),), b"\1\0\0\0\0", "13"),
        ("/Echo/Count", (), b"\1\0\0\0\0", "13"),
        ("/Echo/Count", (("grpc-encoding", "gzip"),), b"\2\0\0\0\0", "13"),
        ("/Echo/Count", (), b"\0\7\0\0\0", "8"),
    ],
)
async def test_how_calls_fail(
    tmp_path: Path, path: str, more: tuple[tuple[str, str], ...], body: bytes, code: str
) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        fields = await client.ending(client.call(path, *more, body=body))
        assert fields["grpc-status"] == code
        assert "hunter2" not in str(fields)
        # The connection goes on.
        assert (await client.ending(client.call()))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (":method", "GET", "405"),
        (":method", "HEAD", "405"),
        ("content-type", "application/json", "415"),
        ("content-type", "application/grpc-web", "415"),
    ],
)
async def test_what_is_no_grpc(tmp_path: Path, name: str, value: str, status: str) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        head = [(key, value if key == name else text) for key, text in HEAD]
        client.h2.send_headers(1, head, end_stream=True)
        client.send()
        fields = await client.ending(1)
        assert fields[":status"] == status
        assert fields.get("allow") == ("POST" if status == "405" else None)
        assert (await client.ending(client.call()))["grpc-status"] == "0"
        assert len(client.data(1)) == (0 if value == "HEAD" else int(fields["content-length"]))


async def test_who_is_told_that_it_is_no_grpc_has_a_window_as_well(tmp_path: Path) -> None:
    get = [(name, "GET" if name == ":method" else value) for name, value in HEAD]
    async with serving(tmp_path, answer_s=0.1) as client:
        client.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = 0
        client.h2.local_settings.acknowledge()
        client.begin()
        client.h2.send_headers(1, get, end_stream=True)
        client.send()
        assert await client.until(lambda: client.reset(1)) == ErrorCodes.CANCEL
        # Another that goes before it is answered leaves the connection alone.
        client.h2.send_headers(3, get)
        client.h2.reset_stream(3)
        assert (await client.ending(client.call("/Echo/Nothing")))["grpc-status"] == "12"


async def test_a_call_that_is_cancelled_ends(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        stream = client.call("/Echo/Wait")
        await client.until(lambda: client.data(stream))
        client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.send()
        assert (await client.ending(client.call()))["grpc-status"] == "0"
        ((_, connection),) = client.connections  # type: ignore[attr-defined]
        assert connection._calls == {}


async def test_a_large_answer_goes_by_the_callers_window(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        stream = client.call("/Echo/Much")
        await client.until(lambda: len(client.data(stream)) > 500_000)


async def test_who_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, answer_s=0.2) as client:
        client.acknowledges = False
        client.begin()
        stream = client.call("/Echo/Much")
        assert (await client.ending(stream))["grpc-status"] == "8"
        assert len(client.data(stream)) == 65535


async def test_who_never_reads_holds_no_memory(tmp_path: Path) -> None:
    async with serving(tmp_path, waiting_bytes=10_000, events=10**9) as client:
        client.begin()
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(WITHIN_S):
                while True:
                    for _ in range(100):
                        client.h2.ping(b"12345678")
                    client.send()
                    await client.writer.drain()
                    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        bytes(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\1\0\0\0\0\1",
    ],
)
async def test_garbage_is_cut(tmp_path: Path, garbage: bytes) -> None:
    async with serving(tmp_path) as client:
        client.send(garbage)
        await client.until_cut()


async def test_a_frame_that_is_too_large_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        client.send((2**24 - 1).to_bytes(3) + b"\0\0\0\0\0\1")
        await client.until_cut()
        assert client.goaway() == ErrorCodes.FRAME_SIZE_ERROR


async def test_who_begins_nothing_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path, begin_s=0.1) as client:
        client.send(b"PRI * HTTP/2.0\r\n")
        await client.until_cut()


async def test_who_begins_drop_by_drop_is_cut_all_the_same(tmp_path: Path) -> None:
    preface = iter(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\xff\4\0" + bytes(1000))
    async with serving(tmp_path, begin_s=0.3) as client, asyncio.timeout(WITHIN_S):
        while not client.reader.at_eof():
            client.send(bytes([next(preface)]))
            await asyncio.sleep(0.01)
            try:
                async with asyncio.timeout(0.01):
                    await client.reader.read(1000)
            except ConnectionError:
                return
            except TimeoutError:
                continue


async def test_a_call_that_doesnt_come_to_its_message_ends(tmp_path: Path) -> None:
    async with serving(tmp_path, begin_s=0.3) as client:
        client.begin()
        client.h2.send_headers(1, HEAD)
        client.send()
        assert (await client.ending(1))["grpc-status"] == "4"


def pings(client: Client) -> None:
    client.h2.ping(b"12345678")


def resets(client: Client) -> None:
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream, HEAD)
    client.h2.reset_stream(stream)


def new_settings(client: Client) -> None:
    client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})


def windows(client: Client) -> None:
    client.h2.increment_flow_control_window(1)


def nothings(client: Client) -> None:
    if not client.h2.open_outbound_streams:
        client.h2.send_headers(1, HEAD)
    client.h2.send_data(1, b"")


def closed_resets(client: Client) -> None:
    if not client.h2.highest_outbound_stream_id:
        client.call()
    frame(client, kind=3, stream=1, payload=bytes(4))


def closed_windows(client: Client) -> None:
    if not client.h2.highest_outbound_stream_id:
        client.call()
    frame(client, kind=8, stream=1, payload=b"\0\0\0\1")


def unknown_kinds(client: Client) -> None:
    frame(client, kind=0xBE, stream=0, payload=b"")


def priorities(client: Client) -> None:
    frame(client, kind=2, stream=1, payload=bytes(4) + b"\1")


def frame(client: Client, *, kind: int, stream: int, payload: bytes, flags: int = 0) -> None:
    """Write a frame, after what waits to be sent."""
    client.send()
    head = len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4)
    client.send(head + payload)


@pytest.mark.parametrize(
    "flood",
    [
        pings,
        resets,
        new_settings,
        windows,
        nothings,
        closed_resets,
        closed_windows,
        unknown_kinds,
        priorities,
    ],
)
async def test_floods_are_cut(tmp_path: Path, flood: Callable[[Client], None]) -> None:
    async with serving(tmp_path, events=200, events_per_s=0.0) as client:
        client.begin()
        for _ in range(300):
            flood(client)
        client.send()
        await client.until_cut()
        assert client.goaway() in (ErrorCodes.ENHANCE_YOUR_CALM, None)


async def test_one_call_too_many_is_refused_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, streams=2) as client:
        client.begin()
        await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == 2)
        client.h2.remote_settings.max_concurrent_streams = 100
        client.h2.remote_settings.acknowledge()
        waiting = [client.call("/Echo/Wait") for _ in range(3)]
        assert await client.until(lambda: client.reset(waiting[2])) == ErrorCodes.REFUSED_STREAM
        await client.until(lambda: client.data(waiting[0]) and client.data(waiting[1]))
        client.h2.reset_stream(waiting[0])
        assert (await client.ending(client.call()))["grpc-status"] == "0"


async def test_headers_without_end_are_cut(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        client.h2.send_headers(1, [*HEAD, ("x", "y" * 40_000)])
        client.send()
        await client.until_cut()
    async with serving(tmp_path) as client:
        client.begin()
        client.send(b"\0\0\0\1\0\0\0\0\1")
        for _ in range(2):
            frame(client, kind=9, stream=1, payload=bytes(9000))
        await client.until_cut()
        assert client.goaway() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_headers_that_grow_when_they_are_read_are_cut(tmp_path: Path) -> None:
    """A field of 4000 bytes goes into HPACK's table, and then each byte says it again."""
    field = b"\x40\x01x" + b"\x7f\xa1\x1e" + b"v" * 4000
    async with serving(tmp_path) as client:
        client.begin()
        frame(client, kind=1, flags=5, stream=1, payload=field + b"\xbe" * 8000)
        await client.until_cut()
        assert client.goaway() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_a_silent_caller_is_asked_and_a_dead_one_cut(tmp_path: Path) -> None:
    async with serving(tmp_path, quiet_s=0.05, answer_s=5.0, idle_s=1000) as client:
        client.begin()
        stream = client.call("/Echo/Wait")
        asked = "PingReceived"
        await client.until(
            lambda: sum(type(event).__name__ == asked for event in client.events) >= 3
        )
        assert not client.status(stream)
    async with serving(tmp_path, quiet_s=0.05, answer_s=0.1) as client:
        client.begin()
        client.call("/Echo/Wait")
        async with asyncio.timeout(WITHIN_S):  # reads nothing that it would have to answer
            ((task, _),) = await _when(lambda: client.connections)  # type: ignore[attr-defined]
            await asyncio.wait([task])


async def _when(found: Callable[[], Any]) -> Any:
    while not found():
        await asyncio.sleep(0.01)
    return found()


async def test_a_connection_without_calls_is_closed_in_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, quiet_s=0.05, answer_s=5.0, idle_s=0.0) as client:
        client.begin()
        await client.until_cut()
        assert client.goaway() == ErrorCodes.NO_ERROR


async def test_the_end_is_told_to_open_calls(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        client.begin()
        stream = client.call("/Echo/Wait")
        await client.until(lambda: client.data(stream))
        ((task, connection),) = client.connections  # type: ignore[attr-defined]
        await connection.stop()
        task.cancel()
        fields = await client.ending(stream)
        assert (fields["grpc-status"], fields["grpc-message"]) == ("14", "the gateway is stopping")
        await client.until_cut()


async def test_headers_of_any_bytes_and_twice(tmp_path: Path) -> None:
    plain = H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False)
    async with serving(tmp_path) as client:
        client.h2 = H2Connection(plain)
        client.begin()
        head = [(name.encode(), value.encode()) for name, value in HEAD]
        client.h2.send_headers(1, [*head, (b"x", b"\xff\xfe"), (b"grpc-timeout", b"1S")])
        client.h2.send_data(1, framed(b""), end_stream=True)
        client.send()
        assert (await client.ending(1))["grpc-status"] == "0"
        # Two deadlines are none that could be read.
        twice = [(b"grpc-timeout", b"1S"), (b"grpc-timeout", b"1S")]
        client.h2.send_headers(3, [*head, *twice])
        client.h2.send_data(3, framed(b""), end_stream=True)
        client.send()
        assert (await client.ending(3))["grpc-status"] == "3"


@given(st.lists(st.tuples(st.integers(24, 400), st.integers(0, 255)), max_size=6), st.binary())
@settings(max_examples=40, deadline=None)
def test_no_bytes_are_a_defect(changes: list[tuple[int, int]], more: bytes) -> None:
    """`run` comes to its end, and raises nothing."""
    honest = H2Connection(H2Configuration(client_side=True))
    honest.initiate_connection()
    honest.send_headers(1, HEAD)
    honest.send_data(1, framed(b""), end_stream=True)
    data = bytearray(honest.data_to_send())
    for place, byte in changes:
        data[min(place, len(data) - 1)] = byte

    async def attempt() -> None:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=here)
        there.sendall(data + more)
        there.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(WITHIN_S):
            await GrpcConnection(reader, writer, Echo(), ConnectionLimits()).run()
        there.close()

    asyncio.run(attempt())
