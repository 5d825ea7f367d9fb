"""One caller's HTTP/2 connection, and the gRPC calls on it. It can't make itself a burden: what is
open, what waits to be sent and how often it may ask for something without a call are bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from gateway.control_plane.grpc_message import (
    CallFailed,
    Code,
    framed,
    is_grpc,
    percent_encoded,
    take_message,
    timeout_s,
)
from gateway.control_plane.http2_frames import FrameMeter

_LOG: Final = logging.getLogger(__name__)
_READ_BYTES: Final = 16 * 1024
_MOST_REQUEST_BYTES: Final = 64 * 1024
_MOST_HEADER_BYTES: Final = 16 * 1024
_PROBE: Final = b"devwizgw"
_FAREWELL_S: Final = 1.0
_HEAD: Final = (
    (":status", "200"),
    ("content-type", "application/grpc"),
    ("grpc-accept-encoding", "identity"),
)
_NOT_GRPC: Final = b"Here gRPC is spoken: the SPIFFE Workload API.\n"


class Service(Protocol):
    """What is called."""

    def answers(self, path: str, metadata: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """The messages that answer a call of `path`; the latest one when the caller is slow. Known
        before the request's message is read, which says nothing in the methods that there are.

        Raises:
            CallFailed: how the call ends, instead or afterwards.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may have, and how long it may take.

    Attributes:
        events: HTTP/2 frames that may come at once, over what comes each second.
        begin_s: time for the connection's preface, and for a call's message.
        quiet_s: silence after which the caller is asked whether it is still there.
        answer_s: time for its answer, and for a slow reader to take something.
        idle_s: time without a call after which the connection is closed.
        waiting_bytes: what may wait for the caller to read.
    """

    streams: int = 32
    events: int = 1000
    events_per_s: float = 50.0
    begin_s: float = 10.0
    quiet_s: float = 60.0
    answer_s: float = 20.0
    idle_s: float = 300.0
    waiting_bytes: int = 256 * 1024


@dataclass(slots=True, eq=False)
class _Call:
    stream: int
    path: str
    metadata: Mapping[str, str]
    received: bytearray = field(default_factory=bytearray)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    window: asyncio.Event = field(default_factory=asyncio.Event)
    head: Sequence[tuple[str, str]] = _HEAD
    has_ended: bool = False
    is_begun: bool = False
    task: asyncio.Task[None] | None = None


class GrpcConnection:
    """Serves one connection; `run` is its one reader, each call has a task."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        limits: ConnectionLimits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._service = service
        self._limits = limits
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADER_BYTES,
            },
        )
        self._h2.decoder.max_header_list_size = _MOST_HEADER_BYTES
        self._meter = FrameMeter()
        self._calls: dict[int, _Call] = {}
        self._loop = asyncio.get_running_loop()
        self._has_begun = False
        self._credit = float(limits.events)
        self._credit_at = self._loop.time()

    async def run(self) -> None:
        """Serve until the caller goes or misbehaves."""
        self._h2.initiate_connection()
        # h2 would end the connection for one stream too many; it is that stream that is refused
        # (RFC 9113 §5.1.2), in `_begin`.
        self._h2.local_settings.max_concurrent_streams = self._limits.events
        self._h2.local_settings.acknowledge()
        try:
            self._flush()
            await self._read()
        except (OSError, ProtocolError, TimeoutError) as error:
            _LOG.debug("a caller of the Workload API is cut: %s", type(error).__name__)
        finally:
            await self._end()

    async def stop(self) -> None:
        """End all calls with the word that the gateway stops; `run` is then cancelled."""
        for call in list(self._calls.values()):
            self._finish(call, Code.UNAVAILABLE, "the gateway is stopping")
            if call.task is not None:
                call.task.cancel()
        self._h2.close_connection()
        self._flush()

    # Reading

    async def _read(self) -> None:
        limits = self._limits
        idle_since = self._loop.time()
        begin_by = idle_since + limits.begin_s
        is_asked = False
        while True:
            now = self._loop.time()
            if self._calls:
                idle_since = now
            elif self._has_begun and now - idle_since >= limits.idle_s:
                self._h2.close_connection()
                return
            wait_s = limits.answer_s if is_asked else limits.quiet_s
            try:
                async with asyncio.timeout(wait_s if self._has_begun else begin_by - now):
                    data = await self._reader.read(_READ_BYTES)
            except TimeoutError:
                if is_asked or not self._has_begun:
                    raise
                self._h2.ping(_PROBE)
                self._flush()
                is_asked = True
                continue
            if not data:
                return
            is_asked = False
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        self._charge(1 + self._meter.count(data))
        # h2 would keep both until they are whole, and refuse them then.
        if self._meter.frame_bytes > self._h2.max_inbound_frame_size:
            self._cut(ErrorCodes.FRAME_SIZE_ERROR)
        if self._meter.block_bytes > _MOST_HEADER_BYTES:
            self._cut(ErrorCodes.ENHANCE_YOUR_CALM)
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()

    def _charge(self, frames: int) -> None:
        """Frames cost what the caller gets each second; who has spent it all is cut."""
        now = self._loop.time()
        earned = (now - self._credit_at) * self._limits.events_per_s
        self._credit = min(self._limits.events, self._credit + earned) - frames
        self._credit_at = now
        if self._credit < 0:
            self._cut(ErrorCodes.ENHANCE_YOUR_CALM)

    def _cut(self, code: ErrorCodes) -> NoReturn:
        self._h2.close_connection(code)
        self._flush()
        raise ConnectionAbortedError

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                self._receive(event)
            case StreamEnded():
                if call := self._calls.get(event.stream_id):
                    call.has_ended = True
                    call.news.set()
            case StreamReset():
                if event.stream_id is not None:
                    self._drop(event.stream_id)
            case WindowUpdated() | RemoteSettingsChanged():
                self._has_begun = True
                for call in self._calls.values():
                    call.window.set()
            case ConnectionTerminated():
                raise ConnectionResetError
            case _:
                pass

    def _begin(self, event: RequestReceived) -> None:
        stream = event.stream_id
        if len(self._calls) >= self._limits.streams:
            self._reset(stream, ErrorCodes.REFUSED_STREAM)
            return
        headers = _headers(event)
        metadata = {name: value for name, value in headers.items() if not name.startswith(":")}
        call = self._calls[stream] = _Call(stream, headers.get(":path", ""), metadata)
        method = headers.get(":method", "")
        if method == "POST" and is_grpc(metadata.get("content-type", "")):
            answer = self._answer(call)
        else:
            answer = self._refuse(call, method)
        call.task = self._loop.create_task(answer)

    def _receive(self, event: DataReceived) -> None:
        call = self._calls.get(event.stream_id)
        if call is not None and len(call.received) <= _MOST_REQUEST_BYTES:
            call.received += event.data
            call.news.set()
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    # Answering

    async def _answer(self, call: _Call) -> None:
        try:
            async with asyncio.timeout(timeout_s(call.metadata.get("grpc-timeout", ""))):
                await self._request(call)
                async with aclosing(self._service.answers(call.path, call.metadata)) as answers:
                    async for message in answers:
                        await self._send(call, framed(message))
            self._finish(call, Code.OK, "")
        except CallFailed as failed:
            self._finish(call, failed.code, str(failed))
        except TimeoutError:
            self._finish(call, Code.DEADLINE_EXCEEDED, "the caller's own deadline is over")
        except (OSError, ProtocolError):
            self._drop(call.stream)
        except Exception:  # noqa: BLE001 - a defect ends this call only
            _LOG.exception("a call of the Workload API failed")
            self._finish(call, Code.INTERNAL, "this is a defect: please report it")

    async def _refuse(self, call: _Call, method: str) -> None:
        """What isn't gRPC is answered in HTTP (PROTOCOL-HTTP2.md, Requests)."""
        told = [("content-type", "text/plain"), ("content-length", str(len(_NOT_GRPC)))]
        call.head = [(":status", "415"), *told]
        if method != "POST":  # RFC 9110 §15.5.6
            call.head = [(":status", "405"), ("allow", "POST"), *told]
        try:
            await self._send(call, b"" if method == "HEAD" else _NOT_GRPC)
            self._h2.end_stream(call.stream)
        except (CallFailed, ProtocolError):
            self._reset(call.stream, ErrorCodes.CANCEL)
        self._calls.pop(call.stream, None)
        self._leave(call)

    async def _request(self, call: _Call) -> None:
        """Wait for the call's message, in which nothing is said in the methods that there are."""
        try:
            async with asyncio.timeout(self._limits.begin_s):
                encoding = call.metadata.get("grpc-encoding", "")
                while (
                    take_message(call.received, encoding=encoding, most_bytes=_MOST_REQUEST_BYTES)
                    is None
                ):
                    if call.has_ended:
                        raise CallFailed(Code.INTERNAL, "the call has no whole message")
                    call.news.clear()
                    await call.news.wait()
        except TimeoutError:
            raise CallFailed(Code.DEADLINE_EXCEEDED, "the call's message didn't come") from None

    async def _send(self, call: _Call, data: bytes) -> None:
        if not call.is_begun:
            self._h2.send_headers(call.stream, list(call.head))
            call.is_begun = True
        while data:
            window = self._h2.local_flow_control_window(call.stream)
            room = min(window, self._h2.max_outbound_frame_size)
            if room > 0:
                self._h2.send_data(call.stream, data[:room])
                data = data[room:]
                self._flush()
            else:
                await self._wait_for_room(call)

    async def _wait_for_room(self, call: _Call) -> None:
        call.window.clear()
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await call.window.wait()
        except TimeoutError:
            what = f"nothing was read for {self._limits.answer_s:g} s"
            raise CallFailed(Code.RESOURCE_EXHAUSTED, what) from None

    def _finish(self, call: _Call, code: Code, message: str) -> None:
        if self._calls.pop(call.stream, None) is None:
            return
        trailers = [("grpc-status", str(int(code)))]
        if message:
            trailers.append(("grpc-message", percent_encoded(message)))
        headers = trailers if call.is_begun else [*_HEAD, *trailers]
        try:
            self._h2.send_headers(call.stream, headers, end_stream=True)
        except ProtocolError:
            _LOG.debug("a caller was gone before its call had ended")
        self._leave(call)

    def _leave(self, call: _Call) -> None:
        """RFC 9113 §8.1: the answer is complete, and the rest of the request isn't wanted."""
        if not call.has_ended:
            self._reset(call.stream, ErrorCodes.NO_ERROR)
        self._flush()

    def _reset(self, stream: int, code: ErrorCodes) -> None:
        with suppress(ProtocolError):  # it is closed already
            self._h2.reset_stream(stream, code)

    def _drop(self, stream: int) -> None:
        """The caller doesn't want it any more."""
        call = self._calls.pop(stream, None)
        if call is not None and call.task is not None:
            call.task.cancel()

    # Writing

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._writer.write(data)
        transport = self._writer.transport
        if transport.get_write_buffer_size() > self._limits.waiting_bytes:
            transport.abort()  # it asks, and never reads; the reader sees the end

    async def _end(self) -> None:
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        self._calls.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            self._flush()
            self._writer.close()
            async with asyncio.timeout(_FAREWELL_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()


def _headers(event: RequestReceived) -> dict[str, str]:
    """A request's headers, whatever bytes they are; values of the same name are joined, so that one
    is not taken for another.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in event.headers:
        name, value = (bytes(item).decode("latin-1") for item in (raw_name, raw_value))
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
