"""The immutable value that readers of the current identity see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Generation:
    """One verified identity: key, chain and bundle that belong together, published at once.

    Attributes:
        number: grows by one with each published generation, from 1.
        key_pem: private key, PKCS#8 PEM, unencrypted; kept in memory only.
        chain_pem: leaf first, then intermediates, PEM.
        bundle_pem: authorities of the trust domain by which peers are checked, PEM.
        spiffe_id: the leaf's URI SAN as text, or "" for a leaf without one (`files` source).
        dns_names: the leaf's DNS SANs.
        serial: leaf serial number, lower-case hex.
        issuer: name of the leaf's issuer (RFC 4514) for people.
        source: which identity source gave it ("issuer", "files", …).
        not_before, not_after: validity of the leaf, aware UTC.
    """

    number: int
    key_pem: bytes
    chain_pem: bytes
    bundle_pem: bytes
    spiffe_id: str
    dns_names: tuple[str, ...]
    serial: str
    issuer: str
    source: str
    not_before: datetime
    not_after: datetime

    def __repr__(self) -> str:
        return (
            f"Generation({self.number}, {self.spiffe_id or self.serial}, "
            f"not_after={self.not_after.isoformat()})"
        )
