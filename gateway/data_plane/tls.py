"""TLS 1.3 in both directions: contexts from memory, verification, and what an alert means.

The chain is checked by OpenSSL during the handshake; the peer's *name* is not: `verified_peer` (of
an upstream) or `arrived_caller` (at an ingress) must be called before a byte is carried.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from certs.errors import InvalidCertificate, PeerRejected
from certs.peer import check_wildcard, is_by_wildcard, peer_allowed, peer_evidence, peer_matches
from certs.revocation import RevocationLists, read_lists
from gateway.data_plane.caller import Caller
from gateway.ipc.snapshot import IdentitySpec, TlsSpec


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate and its key as objects that contexts can share."""

    key: object
    chain: tuple[x509.Certificate, ...]


def load_material(identity: IdentitySpec) -> Material:
    """Read the key and the chain once for all routes of a snapshot. Raises `ValueError`."""
    try:
        key = load_pem_private_key(identity.key_pem.encode(), None)
        chain = x509.load_pem_x509_certificates(identity.chain_pem.encode())
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    return Material(key, tuple(chain))


def client_context(material: Material | None, spec: TlsSpec) -> SSL.Context:
    """An immutable context towards an upstream, for one generation and one trust; without material
    no certificate is shown.

    Raises `ValueError` or `SSL.Error` for unusable material.
    """
    context = _context(SSL.TLS_CLIENT_METHOD, material, spec)
    if spec.alpn:
        context.set_alpn_protos([name.encode("ascii") for name in spec.alpn])
    context.set_verify(SSL.VERIFY_PEER, _note_verify_error)
    return context


def server_context(material: Material, spec: TlsSpec) -> SSL.Context:
    """An immutable context of an ingress: a caller has to show a certificate.

    Raises `ValueError` or `SSL.Error` for unusable material.
    """
    context = _context(SSL.TLS_SERVER_METHOD, material, spec)
    # The tickets that TLS 1.3 sends name sessions that are nowhere kept: each handshake is whole.
    context.set_options(SSL.OP_NO_TICKET)
    if spec.alpn:
        context.set_alpn_select_callback(_chooser(spec.alpn))
    verify = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(verify, _note_verify_error)
    return context


def _chooser(alpn: tuple[str, ...]) -> Callable[[SSL.Connection, list[bytes]], bytes]:
    ours = [name.encode("ascii") for name in alpn]

    def choose(_connection: SSL.Connection, theirs: list[bytes]) -> bytes:
        for name in ours:
            if name in theirs:
                return name
        # RFC 7301 section 3.2: a server that speaks none of them ends the handshake.
        raise NoCommonProtocol(b", ".join(theirs).decode("ascii", "backslashreplace"))

    return choose


class NoCommonProtocol(Exception):
    """A caller offers only application protocols that the ingress doesn't speak."""


def _context(method: int, material: Material | None, spec: TlsSpec) -> SSL.Context:
    """What both directions have in common.

    Sessions are neither kept nor resumed: a resumed TLS 1.3 session would present the certificate
    of the time when it was made.
    """
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    if material is not None:
        _show(context, material)
    store = context.get_cert_store()
    if store is None:
        raise ValueError("the TLS context has no certificate store")
    _fill_store(store, spec)
    context.set_info_callback(_count_messages)
    return context


def _show(context: SSL.Context, material: Material) -> None:
    context.use_privatekey(material.key)  # type: ignore[arg-type]
    leaf, *intermediates = material.chain
    context.use_certificate(leaf)
    # With a key that doesn't fit OpenSSL would go on without any, and show no certificate.
    context.check_privatekey()
    for certificate in intermediates:
        context.add_extra_chain_cert(certificate)


def _fill_store(store: crypto.X509Store, spec: TlsSpec) -> None:
    # A bundle's authorities are trust anchors whether or not they signed themselves.
    flags = crypto.X509StoreFlags.PARTIAL_CHAIN
    try:
        for certificate in x509.load_pem_x509_certificates(spec.bundle_pem.encode()):
            store.add_cert(crypto.X509.from_cryptography(certificate))
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    if spec.crl_pem:
        for revoked in _lists(spec.crl_pem):
            store.add_crl(revoked)
        # Every authority of a chain then needs a list that is in force, as with nginx and Envoy.
        flags |= crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL
    store.set_flags(flags)


def _lists(pem: str) -> RevocationLists:
    try:
        return read_lists(pem.encode())
    except InvalidCertificate as error:
        raise ValueError(str(error)) from error


# X509_V_FLAG_NO_CHECK_TIME (OpenSSL, x509_vfy.h): validity periods, of revocation lists too, are
# left out of account.
_NO_CHECK_TIME: Final = 0x200000


def judging_store(spec: TlsSpec) -> crypto.X509Store:
    """A store that judges chains as a handshake does, but for time. Raises `ValueError`."""
    store = crypto.X509Store()
    _fill_store(store, spec)
    store.set_flags(_NO_CHECK_TIME)
    return store


def _note_verify_error(
    connection: SSL.Connection, _certificate: crypto.X509, error: int, _depth: int, ok: int
) -> bool:
    if not ok:
        _notes(connection).verify_error = error
    return bool(ok)


@dataclass(slots=True)
class _Notes:
    """What the callbacks of one connection leave behind."""

    verify_error: int = 0
    steps: int = 0
    counted_from: float = 0.0


def _notes(connection: SSL.Connection) -> _Notes:
    notes = connection.get_app_data()
    if not isinstance(notes, _Notes):
        notes = _Notes()
        connection.set_app_data(notes)
    return notes


# SSL_CB_CONNECT_LOOP and SSL_CB_ACCEPT_LOOP (OpenSSL, ssl.h): a step of the handshake, or of a
# message behind it.
_STEPS: Final = (0x1001, 0x2001)
# In a second; a handshake takes some twenty, tickets and key updates a few each.
_MOST_STEPS: Final = 1000


def _count_messages(connection: SSL.Connection, where: int, _value: int) -> None:
    """One call to read handles all key updates and tickets that have come, and a peer that sends
    nothing else would hold the whole worker there: cut such a connection.
    """
    if where in _STEPS:
        notes = _notes(connection)
        now = time.monotonic()
        if now - notes.counted_from > 1.0:
            notes.counted_from, notes.steps = now, 0
        notes.steps += 1
        if notes.steps == _MOST_STEPS:
            with suppress(OSError):
                connection.sock_shutdown(socket.SHUT_RDWR)


# X509_V_ERR_* numbers (OpenSSL, x509_vfy.h) that people meet, in their words.
REVOKED: Final = 23
_VERIFY_ERRORS: Final = {
    3: "there is no revocation list in force of {who}'s issuer",
    7: "{who}'s chain was signed by another authority of the same name as the bundle's",
    9: "{who}'s certificate is not valid yet",
    10: "{who}'s certificate has expired",
    11: "the revocation list of {who}'s issuer is not valid yet",
    12: "the revocation list of {who}'s issuer has expired",
    18: "{who}'s certificate signed itself and is not in the trust bundle",
    19: "{who}'s chain ends in an authority that is not in the trust bundle",
    20: "{who}'s issuer is not in the trust bundle",
    21: "{who}'s issuer is not in the trust bundle",
    REVOKED: "{who}'s certificate is revoked",
    26: "{who}'s certificate may not be used for this side of TLS",
}
# What OpenSSL calls what people meet, and what to call it.
_HANDSHAKE_REASONS: Final = {
    "peer did not return a certificate": "{who} showed no certificate",
    "http request": "{who} speaks plaintext HTTP to a port that wants TLS",
    "wrong version number": "{who} speaks something else than TLS",
    "unsupported protocol": "{who} does not speak TLS 1.3",
    "tlsv1 alert protocol version": "{who} does not speak TLS 1.3",
}


def verify_problem(code: int, who: str) -> str:
    """What OpenSSL holds against the chain that `who` showed, in one sentence."""
    text = _VERIFY_ERRORS.get(code, f"{{who}}'s certificate is not acceptable (X509 {code})")
    return text.format(who=who)


def handshake_problem(connection: SSL.Connection, error: Exception, who: str = "the server") -> str:
    """What went wrong in a failed handshake with `who`, in one sentence."""
    code = _notes(connection).verify_error
    if code:
        return verify_problem(code, who)
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError):
        return f"{who} closed the connection during the handshake"
    if isinstance(error, NoCommonProtocol):
        return f"{who} offers no application protocol that is spoken here, but {error}"
    reason = _reason(error)
    if "protocol version" in reason:
        return f"{who} does not speak TLS 1.3"
    known = _HANDSHAKE_REASONS.get(reason, f"the handshake failed: {reason or 'no reason given'}")
    return known.format(who=who)


def verified_peer(connection: SSL.Connection, expected: tuple[str, ...]) -> str:
    """The name of the peer's certificate that is one of `expected`. Raises `PeerRejected`."""
    try:
        certificate = _certificate(connection, "the server")
        item = peer_matches(certificate, expected)
        if is_by_wildcard(certificate, item):
            check_wildcard(connection.get_verified_chain(as_cryptography=True) or (), item)
    except (ValueError, x509.InvalidVersion) as error:
        # OpenSSL reads some certificates that the stricter parser doesn't.
        raise PeerRejected("the server's certificate is malformed") from error
    return item


def arrived_caller(connection: SSL.Connection, allowed: tuple[str, ...], own_id: str) -> Caller:
    """Who is on the other end of an ingress, and whether one of the patterns lets it in."""
    try:
        certificate = _certificate(connection, "the caller")
        spiffe_id, evidence = peer_evidence(certificate, own_id)
        not_after = certificate.not_valid_after_utc.timestamp()
    except (ValueError, x509.InvalidVersion, PeerRejected):
        return Caller(None, refusal="the caller's certificate is malformed or names no workload")
    if peer_allowed(spiffe_id, allowed):
        return Caller(None, peer=spiffe_id, evidence=evidence, not_after=not_after)
    # Who may is not told to who may not.
    return Caller(None, peer=spiffe_id, refusal=f"the caller is {spiffe_id}, which no peer allows")


def _certificate(connection: SSL.Connection, who: str) -> x509.Certificate:
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        raise PeerRejected(f"{who} showed no certificate")
    return certificate


# Alerts by which a TLS 1.3 server refuses a client certificate; they arrive with the first read
# (RFC 8446 section 6.2 and appendix of alert names).
_REFUSALS: Final = {
    "certificate required": "the server requires a client certificate and got none",
    "unknown ca": "the server does not know the authority that issued our certificate",
    "certificate expired": "the server says that our certificate has expired; it may also mean "
    "that the server's revocation list has, or that its clock is wrong",
    "certificate revoked": "the server says that our certificate is revoked",
    "bad certificate": "the server finds our certificate bad (not valid yet, or not acceptable)",
    "unsupported certificate": "the server does not accept this type of certificate",
    "certificate unknown": "the server could not accept our certificate",
    "access denied": "the server accepts the certificate but denies it access",
    "handshake failure": "the server ended the handshake",
    "decrypt error": "the server could not verify a signature: it may know another authority of "
    "the same name",
}
_ALERT: Final = re.compile(r"alert ([a-z ]+)$")


@dataclass(frozen=True, slots=True)
class Alert:
    """A fatal alert: its name ("unknown ca") and, if it judges our certificate, the cause."""

    name: str
    cause: str

    @property
    def refuses_certificate(self) -> bool:
        """Whether the alert is the server's verdict on our certificate."""
        return bool(self.cause)


def alert_of(error: Exception) -> Alert | None:
    """The alert that made an operation fail, if it was one."""
    match = _ALERT.search(_reason(error))
    if match is None:
        return None
    return Alert(match[1], _REFUSALS.get(match[1], ""))


def _reason(error: Exception) -> str:
    """OpenSSL's reason text of an error, lower case."""
    if error.args and isinstance(error.args[0], list) and error.args[0]:
        entry = error.args[0][-1]
        return str(entry[2]).lower() if len(entry) > 2 else ""
    return ""
