"""Signs for workloads, and records what was signed; what is released of it. One thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from certs import keys, profiles
from certs.csr import SigningRequest
from certs.issuer import policy, renew_window
from certs.issuer.audit import Event
from certs.issuer.authorities import AuthoritySet, CurrentAuthorities
from certs.issuer.ca import RandomBytes
from certs.issuer.generation import Link
from certs.issuer.renew_window import Window
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance, IssuedCertificate

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A released certificate and what goes with it."""

    instance: str
    generation: int
    spiffe_id: str
    chain_pem: bytes
    bundle: BundleVersion
    not_after: datetime
    renew_window: Window
    join_state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVersion:
    """The authorities to trust, and the number of this version of them, which only grows."""

    trust_domain: str
    sequence: int
    pem: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A new leaf, and the authorities of the moment when it was signed."""

    leaf: x509.Certificate
    authorities: AuthoritySet


class Signing:
    """The authorities' signatures over one state."""

    def __init__(
        self,
        *,
        store: Store,
        authorities: CurrentAuthorities,
        trust_domain: str,
        leaf_life: timedelta,
        random: RandomBytes,
    ) -> None:
        self._store = store
        self._authorities = authorities
        self._trust_domain = trust_domain
        self._leaf_life = leaf_life
        self._random = random

    def sign(
        self, instance: Instance, link: Link, request: SigningRequest, event: Event, now: datetime
    ) -> Signed:
        """Certify the key of the request as the link of the instance's chain, within a transaction.

        Raises:
            Refused: `authority_expired`.
        """
        binding = instance.binding
        authorities = self._authorities.read()
        signer = authorities.workloads
        life = policy.leaf_life(
            default=self._leaf_life, cap=binding.max_life, now=now, end=signer.end
        )
        leaf = signer.sign_workload(
            request.public_key,
            names=binding.names,
            terms=profiles.Terms(serial=profiles.serial_from(self._random(20)), now=now, life=life),
        )
        self._store.instances.save(instance, now)
        self._store.instances.add_certificate(
            IssuedCertificate(
                serial=serial_text(leaf),
                instance_id=instance.id,
                link=link,
                not_after=leaf.not_valid_after_utc,
                authority=keys.spki_pin(signer.issuing),
            )
        )
        event.serial, event.generation = serial_text(leaf), link.generation
        return Signed(leaf=leaf, authorities=authorities)

    def issued(self, instance: Instance, event: Event, signed: Signed) -> Issued:
        """What goes to whom it was signed for, once the transaction is over."""
        leaf, authorities = signed.leaf, signed.authorities
        return Issued(
            instance=instance.id,
            generation=event.generation or 0,
            spiffe_id=instance.binding.names.spiffe_id,
            chain_pem=authorities.workloads.chain_pem(leaf),
            bundle=self.version(authorities),
            not_after=leaf.not_valid_after_utc,
            renew_window=window_of(leaf, authorities),
        )

    def version(self, authorities: AuthoritySet) -> BundleVersion:
        """The bundle of a set."""
        return BundleVersion(
            trust_domain=self._trust_domain,
            sequence=authorities.sequence,
            pem=authorities.roots_pem,
        )


def window_of(leaf: x509.Certificate, authorities: AuthoritySet) -> Window:
    """When the leaf should be renewed."""
    issued = leaf.not_valid_before_utc + profiles.BACKDATE
    return renew_window.window(issued, leaf.not_valid_after_utc, authorities.pull)


def serial_text(leaf: x509.Certificate) -> str:
    """A serial number as it is kept and written down."""
    return f"{leaf.serial_number:x}"
