"""One gRPC call whose server streams messages, over plaintext HTTP/2 on a local socket: no more
than the SPIFFE Workload API needs (gRPC over HTTP2, PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from certs.errors import (
    CertsError,
    NothingGranted,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from identity.endpoint import Endpoint, UnixEndpoint

_STREAM: Final = 1
_FRAME_HEAD_BYTES: Final = 9
_SETTINGS: Final = 4
_PREFIX_BYTES: Final = 5
#: What gRPC's own clients take.
_MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
#: What may wait for a server that talks and doesn't listen.
_MAX_WAITING_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
_MOST_WORDS: Final = 200
_CODES: Final = {
    "1": "cancelled",
    "2": "unknown",
    "3": "invalid argument",
    "4": "deadline exceeded",
    "5": "not found",
    "7": "permission denied",
    "8": "resource exhausted",
    "12": "unimplemented",
    "13": "internal",
    "14": "unavailable",
    "16": "unauthenticated",
}
_PERMISSION_DENIED: Final = "7"
# Workload Endpoint §6: asking again doesn't help.
_FINAL: Final = frozenset({"3", "12"})
# gRPC's http-grpc-status-mapping.md: those of a proxy whose server is away.
_AWAY: Final = frozenset({"429", "502", "503", "504"})


class GrpcStream:
    """A call that was made; `message` gives one answer after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        # Nothing else than the answer of the one call is taken.
        self._h2.local_settings = Settings(
            client=True, initial_values={SettingCodes.ENABLE_PUSH: 0}
        )
        self._beginning = bytearray()
        self._received = bytearray()
        self._status: dict[str, str] = {}
        self._has_ended = False

    @classmethod
    async def call(
        cls, endpoint: Endpoint, path: str, *, metadata: Mapping[str, str], timeout_s: float
    ) -> GrpcStream:
        """Connect and call `path` with an empty message.

        Raises:
            SourceUnavailable: nobody listens there.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if isinstance(endpoint, UnixEndpoint):
                    reader, writer = await asyncio.open_unix_connection(endpoint.path)
                else:
                    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        except (OSError, TimeoutError) as error:
            reason = error.strerror or str(error) or "no answer in time"
            raise SourceUnavailable(
                f"connect: {endpoint} can't be reached: {reason.lower()}",
                hint="does the agent run, and may this user open its socket?",
            ) from error
        stream = cls(reader, writer)
        stream._begin(path, metadata)
        return stream

    async def message(self) -> bytes:
        """The next message. Cancelling loses nothing.

        Raises:
            SourceUnavailable, SourceDenied: the stream has ended; why, by its status.
            NothingGranted: among these, that there is nothing for us, or no more.
            ReplyRejected: it isn't gRPC that is spoken there.
        """
        while (found := self._next()) is None:
            if self._has_ended:
                raise self._end()
            try:
                data = await self._reader.read(_READ_BYTES)
                self._check_beginning(data)
                events = self._h2.receive_data(data) if data else []
            except OSError as error:
                raise SourceUnavailable("fetch: the connection was cut") from error
            except ProtocolError as error:
                raise _not_grpc() from error
            if not data:
                raise SourceUnavailable("fetch: the connection was closed")
            for event in events:
                self._take(event)
            self._writer.write(self._h2.data_to_send())
            if self._writer.transport.get_write_buffer_size() > _MAX_WAITING_BYTES:
                raise SourceUnavailable("fetch: the other end asks and doesn't listen")
        return found

    async def close(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _begin(self, path: str, metadata: Mapping[str, str]) -> None:
        self._h2.initiate_connection()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
            **metadata,
        }
        self._h2.send_headers(_STREAM, list(headers.items()))
        self._h2.send_data(_STREAM, bytes(_PREFIX_BYTES), end_stream=True)
        self._writer.write(self._h2.data_to_send())

    def _check_beginning(self, data: bytes) -> None:
        """A server's first frame is SETTINGS of the whole connection (RFC 9113 §3.4). Anything else
        would be taken for the head of a huge frame, whose end is waited for.
        """
        missing = _FRAME_HEAD_BYTES - len(self._beginning)
        self._beginning += data[:missing]
        if missing and len(self._beginning) == _FRAME_HEAD_BYTES:
            kind, stream = self._beginning[3], self._beginning[5:]
            if kind != _SETTINGS or any(stream):
                raise _not_grpc()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                headers = _headers(event)
                _check_head(headers)
                self._status |= headers
            case DataReceived():
                self._received += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, _STREAM)
            case TrailersReceived():
                self._status |= _headers(event)
            case StreamEnded() | StreamReset() | ConnectionTerminated():
                self._has_ended = True
            case _:
                pass

    def _next(self) -> bytes | None:
        if len(self._received) < _PREFIX_BYTES:
            return None
        size = int.from_bytes(self._received[1:_PREFIX_BYTES])
        if self._received[0] or size > _MAX_MESSAGE_BYTES:
            raise ReplyRejected("fetch: the reply is compressed, or larger than 4 MiB")
        end = _PREFIX_BYTES + size
        if len(self._received) < end:
            return None
        message = bytes(self._received[_PREFIX_BYTES:end])
        del self._received[:end]
        return message

    def _end(self) -> CertsError:
        code = self._status.get("grpc-status", "")
        if code in ("", "0"):
            return SourceUnavailable("fetch: the stream has ended")
        said = unquote(self._status.get("grpc-message", ""))[:_MOST_WORDS]
        reason = "".join(char if char.isprintable() else " " for char in said)
        text = f"fetch: {_CODES.get(code, 'failed')}" + (reason and f": {reason}")
        if code in _FINAL:
            return SourceDenied(text, hint="is the socket a SPIFFE Workload API's?")
        if code == _PERMISSION_DENIED:
            return NothingGranted(text, hint="has this workload an entry at the agent's server?")
        return SourceUnavailable(text)


def _headers(event: ResponseReceived | TrailersReceived) -> dict[str, str]:
    """The headers, whatever bytes they are: who answers may be anybody."""
    return {
        bytes(name).decode("latin-1"): bytes(value).decode("latin-1")
        for name, value in event.headers
    }


def _check_head(headers: Mapping[str, str]) -> None:
    status = headers.get(":status", "")
    if status in _AWAY:
        raise SourceUnavailable(f"fetch: unavailable: HTTP status {status}")
    if status != "200" or not headers.get("content-type", "").startswith("application/grpc"):
        raise _not_grpc()


def _not_grpc() -> ReplyRejected:
    return ReplyRejected(
        "fetch: what answers doesn't speak gRPC", hint="is the socket a SPIFFE Workload API's?"
    )
