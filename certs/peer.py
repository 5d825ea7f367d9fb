"""The name of a peer: which of the names expected a verified peer's certificate carries.

The chain has been checked by the TLS library; nobody has looked at the name before this. Runs in
the data plane, once for each handshake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.errors import InvalidCertificate, PeerRejected
from certs.names import dns_names, excluded_dns, extensions_of, ip_names, uri_names
from identity.errors import InvalidSpiffeId
from identity.spiffe import SpiffeId

_SHOWN_NAMES: Final = 5
_SHOWN_CHARACTERS: Final = 200


def peer_matches(cert: x509.Certificate, expected: Sequence[str]) -> str:
    """The first item of `expected` that `cert` carries.

    Items are "spiffe://…", "dns:name" or "ip:address". A SPIFFE id must be the certificate's one
    URI name, byte by byte (X509-SVID §2, §5.2). DNS names and addresses match as RFC 9525 says; the
    subject's common name never counts. A signer's own certificate is nobody's: whoever can sign may
    make itself a leaf.

    Raises:
        PeerRejected: none matches, or the certificate is not readable; says what was found and what
            was expected. No other error, whatever a stranger put into the certificate.
    """
    try:
        extensions = extensions_of(cert)
    except InvalidCertificate as error:
        raise PeerRejected("the extensions of the server's certificate are not readable") from error
    if _is_signer(extensions):
        raise PeerRejected(
            f"the server showed a CA certificate, for {_found(extensions)}",
            hint="a server needs a certificate of its own; one that 'openssl req -x509' makes says "
            "CA:TRUE unless told -addext basicConstraints=critical,CA:FALSE",
        )
    for item in expected:
        if _carries(cert, extensions, item):
            return item
    raise PeerRejected(
        f"the server's certificate is for {_found(extensions)}, "
        f"expected {_listed(expected) or 'nothing'}",
        hint="is the address right? if it is, correct the route's 'peer' or the server's name",
    )


def is_by_wildcard(cert: x509.Certificate, item: str) -> bool:
    """Whether what `peer_matches` gave is a DNS name that only a wildcard of `cert` covers."""
    kind, _, name = item.partition(":")
    return kind == "dns" and name.lower() not in {
        one.lower() for one in dns_names(extensions_of(cert))
    }


def check_wildcard(chain: Iterable[x509.Certificate], item: str) -> None:
    """Refuse a DNS name that a wildcard covers and an authority of the verified chain excludes.

    The TLS library holds a wildcard against name constraints as it is written: it takes `*.example`
    for allowed where `a.example` is excluded (RFC 5280 §4.2.1.10).

    Raises:
        PeerRejected: the name is excluded, or an authority's extensions are not readable.
    """
    name = item.removeprefix("dns:").lower()
    try:
        excluded = [tree for one in chain for tree in excluded_dns(extensions_of(one))]
    except InvalidCertificate as error:
        raise PeerRejected("the extensions of the server's chain are not readable") from error
    if any(not tree or f".{name}".endswith(f".{tree}") for tree in excluded):
        raise PeerRejected(
            f"the server's certificate covers {name} by a wildcard, and an authority of its chain "
            "excludes that name",
            hint="the server needs a certificate of an authority that may certify the name",
        )


def peer_evidence(cert: x509.Certificate, own_id: str) -> tuple[str, bytes]:
    """The SPIFFE id of a caller's certificate, and the line that tells a local agent of it.

    The line is what Envoy writes as x-forwarded-client-cert: who vouches (`own_id`, where there is
    one), the SHA-256 of the certificate, and the id. A signer's own certificate and one without
    exactly one SPIFFE id name no workload (X509-SVID §2, §4).

    Raises:
        PeerRejected: the certificate names no workload.
    """
    try:
        extensions = extensions_of(cert)
        (uri,) = uri_names(extensions)
        spiffe_id = str(SpiffeId.parse_leaf(uri))
    except (InvalidCertificate, InvalidSpiffeId, ValueError) as error:
        raise PeerRejected("the caller's certificate names no workload") from error
    if _is_signer(extensions):
        raise PeerRejected("the caller showed a CA certificate")
    digest = cert.fingerprint(hashes.SHA256()).hex()
    # No part can hold what separates them: all three are of a narrow alphabet.
    by = f"By={own_id};" if own_id else ""
    text = f"X-Forwarded-Client-Cert: {by}Hash={digest};URI={spiffe_id}\r\n"
    return spiffe_id, text.encode("ascii")


def peer_allowed(spiffe_id: str, patterns: Sequence[str]) -> bool:
    """Whether the id of a workload fits one of the patterns: SPIFFE ids in whose path `*` stands
    for one segment and a last `**` for one or more.
    """
    segments = spiffe_id.split("/")
    return any(_fits(segments, pattern.split("/")) for pattern in patterns)


def names_of(cert: x509.Certificate) -> str:
    """The names of a stranger's certificate, for people: escaped, and not too many of them."""
    try:
        return _found(extensions_of(cert))
    except InvalidCertificate:
        return "no readable name"


def _fits(segments: list[str], pattern: list[str]) -> bool:
    # The trust domain is never left open: the first three parts are "spiffe:", "" and its name.
    if len(pattern) < 4 or segments[:3] != pattern[:3]:
        return False
    if pattern[-1] == "**" and len(segments) >= len(pattern):
        pattern = pattern[:-1]
        segments = segments[: len(pattern)]
    return len(segments) == len(pattern) and all(
        wanted in ("*", segment) for segment, wanted in zip(segments, pattern, strict=True)
    )


def _carries(cert: x509.Certificate, extensions: x509.Extensions, item: str) -> bool:
    kind, _, value = item.partition(":")
    match kind:
        case "spiffe":
            return uri_names(extensions) == (item,)
        case "dns":
            return value != "" and _carries_dns(cert, value)
        case "ip":
            return value != "" and _carries_ip(cert, value)
        case _:
            return False


def _is_signer(extensions: x509.Extensions) -> bool:
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                return True
            case x509.KeyUsage() as usage if usage.key_cert_sign or usage.crl_sign:
                return True
    return False


# `service_identity` is imported where it is used: most gateways know their peers by SPIFFE id, and
# a worker's memory counts.


def _carries_dns(cert: x509.Certificate, name: str) -> bool:
    from service_identity.cryptography import verify_certificate_hostname

    try:
        verify_certificate_hostname(cert, name)
    except Exception:  # noqa: BLE001 - its errors for strangers' bytes are not all its own
        return False
    return True


def _carries_ip(cert: x509.Certificate, address: str) -> bool:
    from service_identity.cryptography import verify_certificate_ip_address

    try:
        verify_certificate_ip_address(cert, address)
    except Exception:  # noqa: BLE001 - its errors for strangers' bytes are not all its own
        return False
    return True


def _found(extensions: x509.Extensions) -> str:
    names = [
        *uri_names(extensions),
        *(f"dns:{name}" for name in dns_names(extensions)),
        *(f"ip:{address}" for address in ip_names(extensions)),
    ]
    return _listed(names) or "no name"


def _listed(names: Sequence[str]) -> str:
    # The names come from a stranger: escaped, cut, and not too many of them.
    shown = [ascii(name)[1:-1][:_SHOWN_CHARACTERS] for name in names[:_SHOWN_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
