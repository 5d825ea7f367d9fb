"""Reading and writing TLS records by OpenSSL's own calls, where pyOpenSSL leaves a way to them.

pyOpenSSL makes a buffer for each read, copies out of it, and says "nothing yet" with an exception:
more work than decrypting a small record. The names used here are private to it, and the tests pin
them; `handle_of` is None where they are missing, and pyOpenSSL's public methods serve then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.bindings.openssl.binding import Binding

if TYPE_CHECKING:
    from OpenSSL import SSL

#: One TLS record's plaintext at most; a read of this size leaves nothing behind in OpenSSL.
RECORD: Final = 16_384

_WANT: Final = (2, 3)  # SSL_ERROR_WANT_READ and SSL_ERROR_WANT_WRITE of OpenSSL's ssl.h

_binding: Final = Binding()
_ffi: Any = _binding.ffi
_ssl_read: Any = getattr(_binding.lib, "SSL_read", None)
_ssl_write: Any = getattr(_binding.lib, "SSL_write", None)
_ssl_get_error: Any = getattr(_binding.lib, "SSL_get_error", None)
_from_buffer: Any = _ffi.from_buffer
# One for all connections: a worker has one thread, and what was read is copied out at once.
_buffer: Any = _ffi.new("char[]", RECORD)
_plaintext: Any = _ffi.buffer(_buffer)


def handle_of(connection: SSL.Connection) -> object | None:
    """What the functions below need of a connection; None when it must be used as it is."""
    if None in (_ssl_read, _ssl_write, _ssl_get_error):
        return None
    if not hasattr(connection, "_raise_ssl_error"):
        return None
    return getattr(connection, "_ssl", None)


def read_record(connection: SSL.Connection, handle: object) -> bytes | None:
    """The plaintext of at most one record; None when there is none yet.

    Raises:
        SSL.Error: as `SSL.Connection.recv` does, but not for "nothing yet".
    """
    size: int = _ssl_read(handle, _buffer, RECORD)
    if size <= 0:
        _raise_if_broken(connection, handle, size)
        return None
    data: bytes = _plaintext[:size]
    return data


def write_records(connection: SSL.Connection, handle: object, data: bytes) -> int:
    """How many bytes were taken, a record at a time.

    Raises:
        SSL.Error: as `SSL.Connection.send` does, but not for "nothing now".
    """
    size = len(data)
    start: Any = data if size <= RECORD else _from_buffer("char[]", data)
    written: int = 0
    while written < size:
        at = start + written if written else start
        step: int = _ssl_write(handle, at, min(size - written, RECORD))
        if step <= 0:
            _raise_if_broken(connection, handle, step)
            break
        written += step
    return written


def _raise_if_broken(connection: SSL.Connection, handle: object, result: int) -> None:
    if _ssl_get_error(handle, result) not in _WANT:
        connection._raise_ssl_error(handle, result)  # noqa: SLF001 - see above
