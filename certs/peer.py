"""Whether a peer whose chain is good is one of those that were expected.

OpenSSL checks the chain during the handshake and no name at all; this is the other half, and it
must be asked before a byte of a request is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from certs.errors import PeerRejected


def peer_matches(certificate: x509.Certificate, expected: Sequence[str]) -> str:
    """The first of the expected names that the certificate carries.

    `expected` items are "spiffe://…" (the certificate's only URI SAN must equal it, X509-SVID
    section 2), "dns:name" or "ip:address" (RFC 9525: SANs only, never the subject).

    Raises:
        PeerRejected: none fits; the message names what was expected and what was found.
    """
    for name in expected:
        if name.startswith("spiffe://"):
            if _uris(certificate) == [name]:
                return name
        elif _host_matches(certificate, name):
            return name
    raise PeerRejected(
        f"expected {' or '.join(expected)}, found {found_names(certificate)}",
        hint="compare the route's peer (or server_name) with the certificate of the upstream",
    )


def found_names(certificate: x509.Certificate) -> str:
    """The certificate's subject alternative names for a message, shortened when there are many."""
    san = _san(certificate)
    if san is None:
        return "no subject alternative name"
    names = [f"{name.value}" for name in san][:8]
    return ", ".join(name[:256] for name in names) or "no subject alternative name"


def _san(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    except ValueError as error:
        raise PeerRejected("the certificate's extensions can't be read") from error
    return extension.value


def _uris(certificate: x509.Certificate) -> list[str]:
    san = _san(certificate)
    return [] if san is None else san.get_values_for_type(x509.UniformResourceIdentifier)


def _host_matches(certificate: x509.Certificate, name: str) -> bool:
    # Imported here: a worker whose routes pin SPIFFE ids never pays for it.
    from service_identity import CertificateError, VerificationError
    from service_identity.cryptography import (
        verify_certificate_hostname,
        verify_certificate_ip_address,
    )

    kind, _, value = name.partition(":")
    verify = verify_certificate_ip_address if kind == "ip" else verify_certificate_hostname
    try:
        verify(certificate, value)
    except (VerificationError, CertificateError):
        return False
    return kind in ("dns", "ip")
