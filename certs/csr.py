"""Certificate signing requests (PKCS#10, RFC 2986): built by a client, checked by an issuer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.errors import InvalidCertificate
from certs.keys import PrivateKey, PublicKey

#: The largest request that `parse` looks at; an honest one is below 1 KiB (RSA-4096: 2 KiB).
MAX_CSR_BYTES: Final = 8_192

_MIN_RSA_BITS: Final = 2_048
# Checking an RSA signature costs more with each bit; a larger key would be a way to burn our time.
_MAX_RSA_BITS: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """A checked request. Its names are wishes: an issuer's policy decides, never the request.

    `foreign_names` says that it also asks for names of other kinds (IP, e-mail, …).
    """

    public_key: PublicKey
    spiffe_ids: tuple[str, ...]
    dns_names: tuple[str, ...]
    foreign_names: bool


def build(key: PrivateKey, *, spiffe_id: str = "", dns_names: Sequence[str] = ()) -> bytes:
    """A request, PEM, signed by `key`. The subject is empty: the names are in the SAN."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names: list[x509.GeneralName] = []
    if spiffe_id:
        names.append(x509.UniformResourceIdentifier(spiffe_id))
    names.extend(x509.DNSName(name) for name in dns_names)
    if names:
        # RFC 5280 §4.2.1.6: critical when the subject is empty.
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def parse(pem: bytes) -> SigningRequest:
    """Read a request, verify its signature by its own key, and hold the key against the policy:
    EC P-256 or P-384, Ed25519, RSA 2048–4096 bits.

    Raises:
        InvalidCertificate: too large, not a request, a bad signature, a key outside the policy.
    """
    if len(pem) > MAX_CSR_BYTES:
        raise InvalidCertificate(f"the signing request is larger than {MAX_CSR_BYTES} bytes")
    try:
        request = x509.load_pem_x509_csr(pem)
        key = _allowed(request.public_key())
        proven = request.is_signature_valid
        names = _names(request)
    except InvalidCertificate:
        raise
    except Exception as error:
        # The parser's errors for a stranger's bytes share no class.
        raise InvalidCertificate("the signing request is not readable PKCS#10 PEM") from error
    if not proven:
        raise InvalidCertificate(
            "the signing request is not signed by its own key",
            hint="the sender must hold the private key that the certificate will name",
        )
    return SigningRequest(
        public_key=key,
        spiffe_ids=tuple(
            name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)
        ),
        dns_names=tuple(name.value for name in names if isinstance(name, x509.DNSName)),
        foreign_names=any(
            not isinstance(name, x509.UniformResourceIdentifier | x509.DNSName) for name in names
        ),
    )


def _names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(extension.value)


def _allowed(key: object) -> PublicKey:
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case rsa.RSAPublicKey() if _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            return key
        case _:
            raise InvalidCertificate(
                "the signing request's key is not of an allowed kind",
                hint="use EC P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits",
            )
