"""Certificates as issuers send them, sorted into a chain and the roots that it leads to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from certs.bundle import TrustBundle
from certs.svid import Chain

if TYPE_CHECKING:
    from cryptography import x509


def chain_and_bundle(made: Sequence[str], known: Sequence[str]) -> tuple[bytes, bytes]:
    """PEM of a leaf with its intermediates, and of the roots.

    Args:
        made: the leaf, and what came with it, nearest first, a root included or not.
        known: the authorities that the issuer says it has. Where none of all is self-signed,
            because the issuer is below a foreign root, these are the anchors.

    Raises:
        InvalidCertificate: one can't be read, or an anchor is no authority.
    """
    leaf, *above = [Chain.from_pem(text.encode()).leaf for text in made]
    others = [Chain.from_pem(text.encode()).leaf for text in known]
    between = [item for item in above if not _is_self_signed(item)]
    anchors = [item for item in (*above, *others) if _is_self_signed(item)] or others
    chain = b"".join(item.public_bytes(Encoding.PEM) for item in (leaf, *between))
    return chain, TrustBundle.of(anchors).to_pem()


def anchors_of(known: Sequence[str]) -> bytes:
    """PEM of the anchors among an issuer's authorities, as `chain_and_bundle` finds them.

    Raises:
        InvalidCertificate: one can't be read, or an anchor is no authority.
    """
    others = [Chain.from_pem(text.encode()).leaf for text in known]
    return TrustBundle.of([item for item in others if _is_self_signed(item)] or others).to_pem()


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
