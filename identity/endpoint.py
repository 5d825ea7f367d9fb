"""Where a SPIFFE Workload API is: the forms that its standard allows. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from identity.errors import InvalidEndpoint

#: The environment variable by which a platform tells its workloads (Workload Endpoint §4).
ENVIRONMENT_NAME: Final = "SPIFFE_ENDPOINT_SOCKET"
_NOT_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ADDRESS_PORT: Final = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]+):[0-9]+")
_FORMS: Final = "write unix:///PATH, or tcp://ADDRESS:PORT with an IP address"


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """A Unix socket, by its absolute path."""

    path: str

    def __str__(self) -> str:
        return f"unix://{quote(self.path)}"


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A port of an IP address."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


Endpoint = UnixEndpoint | TcpEndpoint


def parse_endpoint(text: str) -> Endpoint:
    """Read a Workload API's address (SPIFFE Workload Endpoint §4).

    Raises:
        InvalidEndpoint: it has another form.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidEndpoint(f"{text!r} is not an address", hint=_FORMS) from None
    # urlsplit drops line breaks and tabs; an address never holds any.
    if not text.isprintable() or _NOT_ENCODED.search(text):
        raise InvalidEndpoint(f"{text!r} has characters that no address has", hint=_FORMS)
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise InvalidEndpoint(f"{text!r} holds more than an address", hint=_FORMS)
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/"):
            raise InvalidEndpoint(f"{text!r} has no absolute path", hint=_FORMS)
        return UnixEndpoint(_path(parts.path, text))
    if parts.scheme == "tcp":
        if not _ADDRESS_PORT.fullmatch(parts.netloc):
            raise InvalidEndpoint(f"{text!r} is not ADDRESS:PORT", hint=_FORMS)
        return TcpEndpoint(_ip(parts.hostname or "", text), _port(port, parts.path, text))
    raise InvalidEndpoint(f"{text!r} has an unknown scheme", hint=_FORMS)


def _path(path: str, text: str) -> str:
    try:
        found = unquote(path, errors="strict")
    except UnicodeDecodeError:
        found = "\0"
    if "\0" in found:
        raise InvalidEndpoint(f"{text!r} has a path that no file has", hint=_FORMS)
    return found


def _ip(host: str, text: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        # A name would be resolved by whoever answers first (§4).
        raise InvalidEndpoint(f"{text!r} has no IP address", hint=_FORMS) from None


def _port(port: int | None, path: str, text: str) -> int:
    if not port or path:
        raise InvalidEndpoint(f"{text!r} is not ADDRESS:PORT", hint=_FORMS)
    return port
