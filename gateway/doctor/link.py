"""A connection of doctor's own, in plaintext or by TLS through memory, so that every wait can be
given a deadline from outside.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from cryptography import x509
from OpenSSL import SSL

from certs.errors import PeerRejected
from gateway.data_plane.tls import (
    Material,
    alert_of,
    client_context,
    handshake_problem,
    verified_peer,
)
from gateway.doctor.message import Missed
from gateway.ipc.snapshot import TlsSpec

_PIECE: Final = 65_536
#: How OpenSSL calls the step in which a client answers to a request for its certificate: in
#: TLS 1.3 it sends one, or an empty list, only where it was asked (RFC 8446 section 4.4.2).
_ASKED: Final = b"write client certificate"
_T = TypeVar("_T")


class Link(Protocol):
    """A connection on which a request may be sent."""

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises `Missed`."""
        ...

    async def receive(self) -> bytes:
        """Some bytes; b"" at a clean end. Raises `Missed`."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class PlainLink:
    """Plaintext to a port or a Unix socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """See `Link.send`."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Missed("upstream_closed", f"the connection ended: {_why(error)}") from error

    async def receive(self) -> bytes:
        """See `Link.receive`."""
        try:
            return await self._reader.read(_PIECE)
        except OSError as error:
            raise Missed("upstream_closed", f"the connection ended: {_why(error)}") from error

    async def close(self) -> None:
        """See `Link.close`."""
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


async def connect(address: tuple[str, int]) -> PlainLink:
    """A connection to an IP address and port, or with port 0 to a Unix socket. Raises `Missed`."""
    host, port = address
    try:
        if port:
            return PlainLink(*await asyncio.open_connection(host, port))
        return PlainLink(*await asyncio.open_unix_connection(host))
    except OSError as error:
        where = f"{_bracketed(host)}:{port}" if port else host
        raise Missed("unreachable", f"connecting to {where} failed: {_why(error)}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What was agreed on. `asked` tells whether the server wanted a client certificate."""

    version: str
    group: str
    cipher: str
    alpn: str
    peer: str
    server: str
    asked: bool


class TlsLink:
    """TLS 1.3 over a plain link, as the data plane speaks it."""

    def __init__(self, plain: PlainLink, connection: SSL.Connection) -> None:
        self._plain = plain
        self._connection = connection

    async def send(self, data: bytes) -> None:
        """See `Link.send`."""
        await self._driven(lambda: self._connection.sendall(data))
        await self._flush()

    async def receive(self) -> bytes:
        """See `Link.receive`."""
        try:
            return await self._driven(lambda: self._connection.recv(_PIECE))
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            raise Missed("upstream_closed", "the connection was cut") from error
        except SSL.Error as error:
            raise _late(error) from error

    async def close(self) -> None:
        """See `Link.close`."""
        await self._plain.close()

    async def shake_hands(self) -> None:
        """Do the handshake. Raises `Missed`."""
        try:
            await self._driven(self._connection.do_handshake)
            await self._flush()
        except SSL.Error as error:
            await self._flush()
            problem = handshake_problem(self._connection, error)
            raise Missed("tls_failed", problem) from error

    async def _driven(self, step: Callable[[], _T]) -> _T:
        while True:
            try:
                return step()
            except SSL.WantReadError:
                await self._flush()
                data = await self._plain.receive()
                if data:
                    self._connection.bio_write(data)
                else:
                    self._connection.bio_shutdown()

    async def _flush(self) -> None:
        while True:
            try:
                sealed = self._connection.bio_read(_PIECE)
            except SSL.WantReadError:
                return
            await self._plain.send(sealed)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Trust:
    """How an upstream is spoken to: by whose certificate, if by any, and whom it has to be."""

    spec: TlsSpec
    material: Material | None = None


async def dial(address: tuple[str, int], trust: Trust) -> tuple[TlsLink, Handshake]:
    """Connect, shake hands and check the name. Raises `Missed`."""
    asked: list[bool] = []
    try:
        context = client_context(trust.material, trust.spec)
    except (ValueError, SSL.Error) as error:
        why = "the certificate, trust bundle or revocation list can't be used"
        raise Missed("route_unavailable", why) from error
    context.set_info_callback(lambda connection, *_: _note(connection, asked))
    plain = await connect(address)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    if trust.spec.server_name:
        connection.set_tlsext_host_name(trust.spec.server_name.encode("ascii"))
    link = TlsLink(plain, connection)
    try:
        await link.shake_hands()
        return link, _agreed(connection, trust, asked=bool(asked))
    except BaseException:
        await plain.close()
        raise


def _agreed(connection: SSL.Connection, trust: Trust, *, asked: bool) -> Handshake:
    try:
        peer = verified_peer(connection, trust.spec.peers)
    except PeerRejected as rejected:
        raise Missed("peer_rejected", str(rejected)) from rejected
    return Handshake(
        version=connection.get_protocol_version_name(),
        group=connection.get_group_name() or "",
        cipher=connection.get_cipher_name() or "",
        alpn=connection.get_alpn_proto_negotiated().decode("ascii", "backslashreplace"),
        peer=peer,
        server=_described(connection),
        asked=asked,
    )


def _described(connection: SSL.Connection) -> str:
    leaf = connection.get_peer_certificate(as_cryptography=True)
    if leaf is None:
        return ""
    end = leaf.not_valid_after_utc.isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"issued by {leaf.issuer.rfc4514_string() or 'an authority without a name'} until {end}"


def _note(connection: SSL.Connection, asked: list[bool]) -> None:
    if _ASKED in connection.get_state_string():
        asked.append(True)


def _late(error: Exception) -> Missed:
    """What an error behind the handshake says: a verdict on our certificate comes there."""
    alert = alert_of(error)
    if alert is not None and alert.refuses_certificate:
        return Missed("certificate_refused", alert.cause)
    said = f"by the alert {alert.name!r}" if alert is not None else "in the middle of a record"
    return Missed("upstream_closed", f"the server ended the connection {said}")


async def shown_by(address: tuple[str, int], server_name: str) -> x509.Certificate | None:
    """The certificate of a server, which nobody has checked; None if it shows none that can be
    read. Nothing is sent to it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(
            *address, ssl=context, server_hostname=server_name or None
        )
    except (OSError, ValueError):
        return None
    tls = writer.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    writer.transport.abort()
    try:
        return x509.load_der_x509_certificate(der or b"")
    except (ValueError, x509.InvalidVersion):
        return None


def issuer_in(leaf: x509.Certificate) -> str:
    """Who signed a certificate, for people; "" if that can't be read."""
    try:
        return leaf.issuer.rfc4514_string()
    except ValueError:
        return ""


def _why(error: OSError) -> str:
    # What asyncio says itself quotes the address and not the cause.
    said = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return said.lower()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
