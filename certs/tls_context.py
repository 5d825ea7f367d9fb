"""Contexts of the standard `ssl` module, for the control plane's own HTTPS: TLS 1.3, keys loaded
from memory, peers known by their SPIFFE id.

The data plane doesn't use these: pyOpenSSL loads from memory by itself.
"""

from __future__ import annotations

import os
import secrets
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import keys
from certs.errors import InvalidCertificate
from certs.names import extensions_of, uri_names


def client_context(*, bundle_pem: bytes, server_id: str) -> ssl.SSLContext:
    """A client context that completes a handshake only with the server `server_id`.

    The chain is checked against `bundle_pem` and nothing else, and the leaf must have `server_id`
    as its one URI name. A mismatch fails the handshake, so no byte of a request is ever sent to a
    stranger. The host name isn't checked: the SPIFFE id is the name.
    """

    class NamedPeer(ssl.SSLObject):
        """Checks the name at the end of the handshake, where `ssl` itself checks host names."""

        def do_handshake(self) -> None:
            super().do_handshake()
            _require_id(self.getpeercert(binary_form=True), server_id)

    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=bundle_pem.decode("ascii"))
    context.sslobject_class = NamedPeer
    return context


def host_context(bundle_pem: bytes | None) -> ssl.SSLContext:
    """A client context for a server that is known by its host name, as on the web, below
    `bundle_pem`; None for the authorities that the operating system trusts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Not strict: private authorities in use leave out extensions that RFC 5280 asks for.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # RFC 9525 §2: the subject's common name never counts.
    context.hostname_checks_common_name = False
    if bundle_pem is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=bundle_pem.decode("ascii"))
    return context


def stranger_context() -> ssl.SSLContext:
    """A client context that accepts any server: only to fetch what is public and checked by other
    means (a bundle that is held against a pin). Nothing secret may be sent over it.
    """
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_context(*, client_bundle_pem: bytes) -> ssl.SSLContext:
    """A server context that asks for a client certificate, and refuses the handshake when one that
    is shown doesn't chain to `client_bundle_pem`. Load a key pair before use.
    """
    context = _hardened(_TellingContext(ssl.PROTOCOL_TLS_SERVER))
    context.sslobject_class = _Telling
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=client_bundle_pem.decode("ascii"))
    # A resumed session would carry on with the certificates of the first handshake.
    context.num_tickets = 0
    return context


class _Telling(ssl.SSLObject):
    """A server's side that fails one call later where OpenSSL has an alert to send: `asyncio` drops
    what is unsent when a handshake fails, and sends it when a handshake waits. Meanwhile the peer
    closes, or the handshake's deadline passes.
    """

    unsent: ssl.MemoryBIO | None = None
    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if self.unsent is None or not self.unsent.pending:
                raise
            self._failure = error.with_traceback(None)
            raise ssl.SSLWantReadError from None


class _TellingContext(ssl.SSLContext):
    """Lets its connections know what is unsent."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as in `ssl`
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(made, _Telling):
            made.unsent = outgoing
        return made


def load_key_pair(context: ssl.SSLContext, *, key_pem: bytes, chain_pem: bytes) -> None:
    """Give `context` a key and its chain, leaf first. New handshakes use them at once.

    `ssl` reads keys from files only. On Linux that file is anonymous memory; elsewhere it is
    encrypted under a passphrase that lives for this call.

    Raises:
        InvalidCertificate: the pair can't be read or doesn't belong together.
    """
    try:
        if sys.platform == "linux":
            with _memory_file(key_pem + chain_pem) as path:
                context.load_cert_chain(path)
        else:
            _load_encrypted(context, key_pem, chain_pem)
    except ssl.SSLError as error:
        raise InvalidCertificate(
            f"the key and certificate can't be used for TLS: {error.reason or 'unreadable'}"
        ) from error


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def _require_id(leaf_der: bytes | None, expected: str) -> None:
    try:
        ids = uri_names(extensions_of(x509.load_der_x509_certificate(leaf_der or b"")))
    except (ValueError, x509.InvalidVersion, InvalidCertificate):
        ids = ()
    if ids != (expected,):
        raise ssl.SSLCertVerificationError(
            1, f"the server's certificate is for {', '.join(ids) or 'no SPIFFE id'}, not {expected}"
        )


@contextmanager
def _memory_file(data: bytes) -> Iterator[str]:
    fd = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.pwrite(fd, data, 0)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _load_encrypted(context: ssl.SSLContext, key_pem: bytes, chain_pem: bytes) -> None:
    passphrase = secrets.token_bytes(32).hex().encode()
    encrypted = keys.from_pem(key_pem).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    # The folder is made with mode 0700 and removed with what is in it.
    with tempfile.TemporaryDirectory(prefix="devwiz-gw-") as folder:
        path = Path(folder, "pair.pem")
        path.write_bytes(encrypted + chain_pem)
        context.load_cert_chain(path, password=passphrase)
