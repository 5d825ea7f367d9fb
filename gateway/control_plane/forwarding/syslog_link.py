"""A connection to a syslog server: datagrams, or a stream whose acknowledgement is waited for.

Syslog says nothing back. Of a stream the other machine's kernel at least acknowledges the bytes;
what it hasn't acknowledged counts as not sent. A datagram is gone once it has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import socket
import struct
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gateway.control_plane.forwarding.record import Away, Record, Rejected, Taken, Verdict
from gateway.control_plane.forwarding.syslog_message import Sender, counted, message
from identity.web_tls import web_context

#: For the connection, and for the acknowledgement.
TIMEOUT_S: Final = 10.0
_LOOK_S: Final = 0.02


class SyslogDatagrams:
    """A `Destination`: `to` is "unix:///PATH" or "udp://HOST:PORT" (RFC 5426)."""

    def __init__(self, to: str, sender: Sender) -> None:
        self._to = to
        self._sender = sender
        self._socket: socket.socket | None = None

    async def send(self, records: Sequence[Record]) -> Verdict:
        """See `Destination.send`."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                opened = self._socket = self._socket or await _datagram_socket(self._to)
                for record in records:
                    data = message(record, self._sender)
                    await asyncio.get_running_loop().sock_sendall(opened, data)
        except TimeoutError:
            return Away("the syslog server takes nothing")
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return Rejected("the line is too long for a datagram")
            await self.close()
            return _away(error)
        return Taken()

    async def close(self) -> None:
        """See `Destination.close`."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()


class SyslogStream:
    """A `Destination`: `to` is "tcp://HOST:PORT" (RFC 6587) or "tls://HOST:PORT" (RFC 5425)."""

    def __init__(self, to: str, sender: Sender, *, ca_file: Path | None) -> None:
        self._to = to
        self._sender = sender
        self._ca_file = ca_file
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def send(self, records: Sequence[Record]) -> Verdict:
        """See `Destination.send`."""
        data = b"".join(counted(message(record, self._sender)) for record in records)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._send(data)
        except TimeoutError:
            await self.close()
            return Away("the syslog server doesn't acknowledge what was sent")
        except OSError as error:
            await self.close()
            return _away(error)
        return Taken()

    async def close(self) -> None:
        """See `Destination.close`."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait([reading])
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _send(self, data: bytes) -> None:
        if self._writer is None or self._is_closed():
            await self.close()
            reader, self._writer = await _stream(self._to, self._ca_file)
            self._reading = asyncio.create_task(_until_the_end(reader))
        writer = self._writer
        writer.write(data)
        await writer.drain()
        # Behind the buffer of the transport is that of the kernel.
        raw = writer.get_extra_info("socket")
        while writer.transport.get_write_buffer_size() or _unacknowledged(raw):
            self._refuse_closed()
            await asyncio.sleep(_LOOK_S)
        self._refuse_closed()

    def _is_closed(self) -> bool:
        return self._reading is None or self._reading.done()

    def _refuse_closed(self) -> None:
        if self._is_closed():
            raise ConnectionResetError(errno.ECONNRESET, "the connection was closed")


async def _until_the_end(reader: asyncio.StreamReader) -> None:
    """Nothing is said to a sender of syslog; that the connection ended is news."""
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass


def _unacknowledged(raw: socket.socket) -> int:
    """Bytes that the other side hasn't acknowledged; SIOCOUTQ (tcp(7)) is TIOCOUTQ by another name.
    0 where the system doesn't tell.
    """
    try:
        told: bytes = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int(struct.unpack("i", told)[0])


async def _datagram_socket(to: str) -> socket.socket:
    scheme, _, rest = to.partition("://")
    loop = asyncio.get_running_loop()
    address: Any = rest
    if scheme == "unix":
        family = socket.AF_UNIX
    else:
        host, _, port = rest.rpartition(":")
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
        family, address = found[0][0], found[0][4]
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        await loop.sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def _stream(
    to: str, ca_file: Path | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    scheme, _, rest = to.partition("://")
    host, _, port = rest.rpartition(":")
    context = await asyncio.to_thread(web_context, ca_file=ca_file) if scheme == "tls" else None
    return await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)


def _away(error: OSError) -> Away:
    why = error.strerror or type(error).__name__
    return Away(f"the syslog server can't be reached: {why.lower()}")
