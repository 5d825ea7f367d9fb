"""The texts of a configuration that name a place, each to its value.

Every function raises `Rejected` for a text that it doesn't accept.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from gateway.config.model import TcpAddress, UnixAddress
from gateway.config.table import Rejected

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")
_SCHEME_PORTS: Final = {"http": ":80", "https": ":443"}
_LOOPBACKS: Final = ("127.0.0.1", "::1")


def listen_addresses(
    text: str, *, base: Path, max_socket_path: int
) -> tuple[TcpAddress | UnixAddress, ...]:
    """A `listen` value; "localhost" stands for both loopback addresses."""
    if text.startswith("unix:"):
        return (UnixAddress(unix_path(text, base=base, max_socket_path=max_socket_path)),)
    host, port = host_and_port(text, example='"127.0.0.1:8701"')
    if host == "localhost":
        if port == 0:
            hint = 'write ["127.0.0.1:0", "[::1]:0"] for two ports that the system picks'
            raise Rejected("localhost can't listen on port 0: its two addresses share a port", hint)
        return tuple(TcpAddress(loopback, port) for loopback in _LOOPBACKS)
    address = ip_literal(host)
    if address is not None and str(address) in _LOOPBACKS:
        return (TcpAddress(str(address), port),)
    if address is not None and address.is_loopback:
        raise Rejected(f"{host} is not listened on", 'write "127.0.0.1", "[::1]" or "localhost"')
    if address is None or getattr(address, "ipv4_mapped", None) is not None:
        raise Rejected(
            f"{host!r} is not an address to listen on",
            'write "127.0.0.1", "[::1]", "localhost" or "unix:PATH"',
        )
    # Whether other machines may reach the route is judged with its rules for callers.
    return (TcpAddress(str(address), port),)


def unix_path(text: str, *, base: Path, max_socket_path: int) -> Path:
    """A "unix:PATH" value; a relative path is relative to `base`."""
    if not text.startswith("unix:"):
        raise Rejected(f"{text!r} is not a Unix socket", f'write "unix:{text}"')
    path = local_path(text.removeprefix("unix:"), base=base)
    check_socket_path(path, max_socket_path=max_socket_path)
    return path


def check_socket_path(path: Path, *, max_socket_path: int) -> None:
    """Refuse a path that doesn't fit into the operating system's socket address."""
    size = len(str(path).encode("utf-8", "surrogateescape"))
    if size > max_socket_path:
        raise Rejected(
            f"the socket's path is {size} bytes long, and the system allows {max_socket_path}: "
            f"{path}",
            "choose a shorter path, such as one under /run/user or /tmp",
        )


def local_path(text: str, *, base: Path) -> Path:
    """A file's path; a relative one is relative to `base`."""
    if not text:
        raise Rejected("the path is empty", "write one, or leave the key out")
    if text.startswith("~"):
        raise Rejected(
            "'~' is not expanded", "write the path in full, or relative to the configuration file"
        )
    return base / text


def dns_name(text: str) -> str:
    """A DNS name, lower case."""
    name = text.lower()
    if not name.isascii():
        raise Rejected(f"{text!r} is not ASCII", "write the name in its xn-- form")
    last_label = name.rpartition(".")[2]
    if len(name) > 253 or not _DNS_NAME.fullmatch(name) or last_label.isdigit():
        raise Rejected(
            f"{text!r} is not a DNS name", "labels of letters, digits and '-', with dots"
        )
    return name


def host_header(text: str) -> str:
    """An `allowed_hosts` item: HOST or HOST:PORT, as a client sends it in Host, lower case."""
    if is_ip(text.removeprefix("[").removesuffix("]")):
        return _bracketed(str(ip_address(text.removeprefix("[").removesuffix("]"))))
    if ":" not in text:
        return dns_name(text)
    host, port = host_and_port(text, example='"gateway.internal:8701"')
    return f"{_bracketed(host_name(host, text))}:{port}"


def web_origin(text: str) -> str:
    """An `allowed_origins` item, as a browser sends it in Origin: SCHEME://HOST[:PORT]."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise Rejected(f"{text!r} is not an origin", 'write "https://HOST" or "http://HOST:PORT"')
    scheme, host = found.groups()
    if any(char in host for char in "/?#@"):
        raise Rejected("holds more than an origin", "keep SCHEME://HOST:PORT only")
    default_port = _SCHEME_PORTS.get(scheme, "")
    if default_port:
        host = host.removesuffix(default_port)
    return f"{scheme}://{host_header(host)}"


def is_ip(text: str) -> bool:
    """Whether `text` is an IP literal."""
    return ip_literal(text) is not None


def host_name(host: str, text: str) -> str:
    """The host in `text`: a lower-case DNS name or an IP literal without brackets."""
    if not host:
        raise Rejected(f"{text!r} names no host", "write a name or an IP address")
    address = ip_literal(host)
    return str(address) if address is not None else dns_name(host)


def port_number(port: int, *, least: int) -> int:
    """A port."""
    if not least <= port <= 65535:
        raise Rejected(f"{port} is not a port", f"ports are {least} to 65535")
    return port


def host_and_port(text: str, *, example: str) -> tuple[str, int]:
    """A HOST:PORT text in its parts, the host lower case and without brackets; `example` is for who
    wrote something else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not _PORT.fullmatch(port):
        raise Rejected(f"{text!r} is not HOST:PORT", f"write it like {example}")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port_number(int(port), least=0)
    if ":" in host:
        raise Rejected(f"{text!r} is not HOST:PORT", "put an IPv6 address in brackets")
    return host.lower(), port_number(int(port), least=0)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def ip_literal(text: str) -> IPv4Address | IPv6Address | None:
    """The address that `text` writes, or None."""
    # A zone ("fe80::1%eth0") names an interface of this machine, which no certificate can.
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None
