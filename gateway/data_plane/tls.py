"""TLS 1.3 towards upstreams: contexts from memory, verification, and what an alert means.

The chain is checked by OpenSSL during the handshake; the peer's *name* is not, so `verified_peer`
must be called before the first byte of a request is written.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from certs.errors import PeerRejected
from certs.peer import peer_matches
from gateway.ipc.snapshot import IdentitySpec


@dataclass(frozen=True, slots=True)
class Material:
    """A client certificate and key as objects that contexts can share."""

    key: object
    chain: tuple[x509.Certificate, ...]


def load_material(identity: IdentitySpec) -> Material:
    """Read the key and the chain once for all routes of a snapshot. Raises `ValueError`."""
    key = load_pem_private_key(identity.key_pem.encode(), None)
    chain = x509.load_pem_x509_certificates(identity.chain_pem.encode())
    return Material(key, tuple(chain))


def client_context(material: Material, bundle_pem: str) -> SSL.Context:
    """An immutable context for one generation and one bundle.

    Sessions are neither kept nor resumed: a resumed TLS 1.3 session would present the certificate
    of the time when it was made. Raises `ValueError` or `SSL.Error` for unusable material.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_alpn_protos([b"http/1.1"])
    context.use_privatekey(material.key)  # type: ignore[arg-type]
    leaf, *intermediates = material.chain
    context.use_certificate(leaf)
    # With a key that doesn't fit OpenSSL would go on without any, and show no certificate.
    context.check_privatekey()
    for certificate in intermediates:
        context.add_extra_chain_cert(certificate)
    store = context.get_cert_store()
    if store is None:
        raise ValueError("the TLS context has no certificate store")
    # A bundle's authorities are trust anchors whether or not they signed themselves.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for certificate in x509.load_pem_x509_certificates(bundle_pem.encode()):
        store.add_cert(crypto.X509.from_cryptography(certificate))
    context.set_verify(SSL.VERIFY_PEER, _note_verify_error)
    context.set_info_callback(_count_messages)
    return context


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
    messages: int = 0


def _notes(connection: SSL.Connection) -> _Notes:
    notes = connection.get_app_data()
    if not isinstance(notes, _Notes):
        notes = _Notes()
        connection.set_app_data(notes)
    return notes


# SSL_CB_CONNECT_LOOP (OpenSSL, ssl.h): a step of the handshake, or of a message behind it.
_STEP: Final = 0x1001
# A handshake takes some twenty; tickets and key updates a few each.
_MOST_STEPS: Final = 1000


def _count_messages(connection: SSL.Connection, where: int, _value: int) -> None:
    """One call to read handles all key updates and tickets that have come, and a server that sends
    nothing else would hold the whole worker there: cut such a connection.
    """
    if where == _STEP:
        notes = _notes(connection)
        notes.messages += 1
        if notes.messages == _MOST_STEPS:
            with suppress(OSError):
                connection.sock_shutdown(socket.SHUT_RDWR)


# X509_V_ERR_* numbers (OpenSSL, x509_vfy.h) that people meet, in their words.
_VERIFY_ERRORS: Final = {
    7: "the server's chain was signed by another authority of the same name as the bundle's",
    9: "the server's certificate is not valid yet",
    10: "the server's certificate has expired",
    18: "the server's certificate signed itself and is not in the trust bundle",
    19: "the server's chain ends in an authority that is not in the trust bundle",
    20: "the server's issuer is not in the trust bundle",
    21: "the server's issuer is not in the trust bundle",
    23: "the server's certificate is revoked",
    26: "the server's certificate may not be used for a TLS server",
}


def handshake_problem(connection: SSL.Connection, error: Exception) -> str:
    """What went wrong in a failed handshake, in one sentence."""
    code = _notes(connection).verify_error
    if code:
        return _VERIFY_ERRORS.get(code, f"the server's certificate is not acceptable (X509 {code})")
    if isinstance(error, SSL.SysCallError):
        return "the server closed the connection during the handshake"
    reason = _reason(error)
    if "protocol version" in reason or "unsupported protocol" in reason:
        return "the server does not speak TLS 1.3"
    return f"the handshake failed: {reason or 'no reason given'}"


def verified_peer(connection: SSL.Connection, expected: tuple[str, ...]) -> str:
    """The name of the peer's certificate that is one of `expected`. Raises `PeerRejected`."""
    try:
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise PeerRejected("the server showed no certificate")
        return peer_matches(certificate, expected)
    except (ValueError, x509.InvalidVersion) as error:
        # OpenSSL reads some certificates that the stricter parser doesn't.
        raise PeerRejected("the server's certificate is malformed") from error


# Alerts by which a TLS 1.3 server refuses a client certificate; they arrive with the first read
# (RFC 8446 section 6.2 and appendix of alert names).
_REFUSALS: Final = {
    "certificate required": "the server requires a client certificate and got none",
    "unknown ca": "the server does not know the authority that issued our certificate",
    "certificate expired": "the server says that our certificate has expired",
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
