"""Where a route leads, from its text: a remote origin, or an agent on this machine.

Every function raises `Rejected` for a text that it doesn't accept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from gateway.config.addresses import host_and_port, host_name, ip_literal, port_number, unix_path
from gateway.config.table import Rejected

_HTTP_PORT: Final = 80
_HTTPS_PORT: Final = 443


class Origin(NamedTuple):
    """Host (a lower-case DNS name or an IP literal without brackets) and port; of a Unix socket its
    absolute path, and 0.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def https_origin(text: str) -> Origin:
    """An "https://HOST[:PORT]" value."""
    return _origin(text, "https", _HTTPS_PORT)


def tls_origin(text: str) -> Origin:
    """A "tls://HOST:PORT" value."""
    return _origin(text, "tls", None)


def local_origin(
    text: str, *, protocol: Literal["http", "tcp"], base: Path, max_socket_path: int
) -> Origin:
    """An "http://ADDRESS[:PORT]" or "tcp://ADDRESS:PORT" of this machine, or a "unix:PATH".

    Nothing but a literal address is sure to be this machine's: a name leads where a resolver says.
    """
    if text.startswith("unix:"):
        return Origin(str(unix_path(text, base=base, max_socket_path=max_socket_path)), 0)
    origin = _origin(text, protocol, _HTTP_PORT if protocol == "http" else None)
    address = ip_literal(origin.host)
    if address is None or not address.is_loopback or getattr(address, "ipv4_mapped", None):
        raise Rejected(
            f"{origin.host} is not a loopback address, and plaintext doesn't leave this machine",
            f'write "{protocol}://127.0.0.1:PORT", "{protocol}://[::1]:PORT" or "unix:PATH"',
        )
    return origin


def dial_address(text: str) -> tuple[str, int]:
    """An `addresses` item: "HOST:PORT"."""
    host, port = host_and_port(text, example='"10.0.0.5:8443"')
    return host_name(host, text), port_number(port, least=1)


def _origin(text: str, scheme: str, default_port: int | None) -> Origin:
    form = f'"{scheme}://HOST:PORT"'
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Rejected(f"{text!r} is not a URL", f"write {form}") from None
    if parts.scheme != scheme:
        raise Rejected(f"should start with {scheme}://", f"write {form}{_WHY.get(scheme, '')}")
    if "@" in parts.netloc:
        raise Rejected("holds a user name", "credentials belong into the route's headers")
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        hint = "keep the host and port only: the path of each request is passed on as it is"
        raise Rejected("holds a path, query or fragment", hint)
    if port is None and default_port is None:
        raise Rejected("names no port", f"write {form}")
    number = default_port if port is None else port
    return Origin(host_name(host, text), port_number(number or 0, least=1))


_WHY: Final = {
    "https": ": upstreams are reached over TLS only",
    "tls": ": a tcp route carries bytes as they are, inside TLS",
    "http": ' or "unix:PATH": an ingress leads to a plaintext agent on this machine',
    "tcp": ' or "unix:PATH": an ingress leads to a plaintext agent on this machine',
}
