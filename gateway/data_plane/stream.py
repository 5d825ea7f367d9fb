"""Byte streams over non-blocking sockets: plain and TLS behind the same methods."""

from __future__ import annotations

import socket
import struct
from typing import Final, Protocol

from OpenSSL import SSL

from gateway.data_plane.liveness import give_up_after, is_unheard
from gateway.data_plane.reactor import READ, WRITE
from gateway.data_plane.records import RECORD, handle_of, read_record, write_records
from gateway.data_plane.tls import Alert, alert_of

_RESET: Final = struct.pack("ii", 1, 0)


class ConnectionLost(Exception):
    """The stream broke: reset, cut without a farewell, or ended by a TLS alert.

    `alert` is set in the last case.
    """

    def __init__(self, detail: str, alert: Alert | None = None) -> None:
        super().__init__(detail)
        self.alert = alert


class Stream(Protocol):
    """A connected stream. Every method may raise `ConnectionLost`, but `close` and `abort`."""

    read_size: int

    def read(self) -> bytes | None:
        """Bytes; None when there are none yet; b"" after a clean end."""
        ...

    def write(self, data: bytes) -> int:
        """How many of the bytes were taken; the rest must be offered again, unchanged."""
        ...

    def has_news(self) -> bool:
        """Whether a look at the socket, which costs a system call, finds bytes, the end or an
        error.
        """
        ...

    def shutdown_write(self) -> bool:
        """Say that nothing more will be written; reading goes on. False when the system doesn't
        take it now: to be called again when it takes more.
        """
        ...

    def give_up_after(self, seconds: float) -> None:
        """Lose the connection when its peer acknowledges nothing for so long."""
        ...

    def is_unheard(self) -> bool:
        """Whether nothing that was written gets to the peer's machine any more."""
        ...

    def close(self) -> None:
        """Say farewell where the protocol has one, and close."""
        ...

    def abort(self) -> None:
        """Close so that the peer can't take what it got for complete."""
        ...


class PlainStream:
    """A TCP or Unix socket."""

    __slots__ = ("_socket",)
    read_size: int = 65_536

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def read(self) -> bytes | None:
        """See `Stream`."""
        try:
            return self._socket.recv(65_536)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionLost(_os_reason(error)) from error

    def write(self, data: bytes) -> int:
        """See `Stream`."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ConnectionLost(_os_reason(error)) from error

    def has_news(self) -> bool:
        """See `Stream`."""
        return has_news(self._socket)

    def shutdown_write(self) -> bool:
        """See `Stream`."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise ConnectionLost(_os_reason(error)) from error
        return True

    def give_up_after(self, seconds: float) -> None:
        """See `Stream`."""
        give_up_after(self._socket, seconds)

    def is_unheard(self) -> bool:
        """See `Stream`."""
        return is_unheard(self._socket)

    def close(self) -> None:
        """See `Stream`."""
        self._socket.close()

    def abort(self) -> None:
        """Reset: a plain close would look like the regular end of a close-delimited body."""
        reset(self._socket)


def _closed() -> PlainStream:
    sock = socket.socket()
    sock.close()
    return PlainStream(sock)


#: What may stand in a closed stream's place, so that its memory goes at once.
CLOSED: Final = _closed()


class TlsStream:
    """A TLS connection over a socket, on either side."""

    __slots__ = ("_handle", "_has_objected", "connection", "socket", "waits_for")
    read_size: int = RECORD

    def __init__(self, sock: socket.socket, connection: SSL.Connection) -> None:
        self.socket = sock
        self.connection = connection
        self._handle = handle_of(connection)
        self._has_objected = False
        self.waits_for = READ

    def handshake(self) -> bool:
        """Take the handshake as far as it goes now; True when it is done, else `waits_for` says
        what readiness it needs.

        Raises:
            SSL.Error: it failed; `gateway.data_plane.tls.handshake_problem` says why.
        """
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            self.waits_for = READ
            return False
        except SSL.WantWriteError:
            self.waits_for = WRITE
            return False
        except SSL.Error as error:
            self._has_objected = alert_of(error) is None
            raise
        return True

    def read(self) -> bytes | None:
        """See `Stream`. An end without close_notify is a cut (RFC 8446 section 6.1)."""
        try:
            if self._handle is None:
                return self.connection.recv(RECORD)
            return read_record(self.connection, self._handle)
        except (SSL.WantReadError, SSL.WantWriteError):
            return None
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            raise ConnectionLost("the connection was cut without a TLS farewell") from error
        except SSL.Error as error:
            lost = _lost(error)
            # Then OpenSSL has written an alert that says what is wrong.
            self._has_objected = lost.alert is None
            raise lost from error

    def write(self, data: bytes) -> int:
        """See `Stream`. OpenSSL takes at most one record a call, and reads nothing any more once
        writing has failed: read first what a peer that may have closed has left.
        """
        try:
            if self._handle is not None:
                return write_records(self.connection, self._handle, data)
            return self.connection.send(data[:RECORD])
        except (SSL.WantReadError, SSL.WantWriteError):
            return 0
        except SSL.SysCallError as error:
            raise ConnectionLost("the connection was reset") from error
        except SSL.Error as error:
            raise _lost(error) from error

    def has_news(self) -> bool:
        """See `Stream`. Whole records are read, so that OpenSSL keeps nothing back."""
        return has_news(self.socket)

    def shutdown_write(self) -> bool:
        """Send close_notify; in TLS 1.3 that closes this direction only (RFC 8446 section 6.1)."""
        try:
            self.connection.shutdown()
        except SSL.WantWriteError:
            return False
        except SSL.WantReadError:
            return True
        except SSL.Error as error:
            raise _lost(error) from error
        return True

    def give_up_after(self, seconds: float) -> None:
        """See `Stream`."""
        give_up_after(self.socket, seconds)

    def is_unheard(self) -> bool:
        """See `Stream`."""
        return is_unheard(self.socket)

    def close(self) -> None:
        """See `Stream`."""
        try:
            self.connection.shutdown()
        except SSL.Error:
            pass  # the farewell is a courtesy; the socket is closed in any case
        self.socket.close()

    def abort(self) -> None:
        """No close_notify: the peer sees a truncation. A reset would throw our alert away."""
        if self._has_objected:
            leave(self.socket)
        else:
            reset(self.socket)


def has_news(sock: socket.socket) -> bool:
    """Whether bytes, the end or an error wait in a socket."""
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass  # reading will tell
    return True


def reset(sock: socket.socket) -> None:
    """Close with a TCP reset where the socket knows one."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        pass  # a Unix socket or one already dead: closing is all that there is
    sock.close()


def leave(sock: socket.socket) -> None:
    """Close so that what was written arrives: bytes that nobody has read make a close a reset."""
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.recv(65_536)
    except OSError:
        pass  # nothing has come, or the peer is gone
    sock.close()


def _os_reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _lost(error: SSL.Error) -> ConnectionLost:
    alert = alert_of(error)
    if alert is None:
        return ConnectionLost("the TLS connection broke")
    return ConnectionLost(f"the peer sent the TLS alert {alert.name!r}", alert)
