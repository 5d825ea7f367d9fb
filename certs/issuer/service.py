"""What the issuer does: make tokens, join, renew, hand out the bundle. No HTTP, no event loop.

Each operation takes the time, changes the state in one transaction, and writes its audit line
before it returns. All calls come from one thread.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from certs import csr, keys, profiles
from certs.csr import SigningRequest
from certs.errors import InvalidCertificate
from certs.issuer import generation, locking, locks, policy, renew_window
from certs.issuer.audit import AuditFile, Event, audited
from certs.issuer.authorities import AuthoritySet, CurrentAuthorities
from certs.issuer.ca import Authority, RandomBytes
from certs.issuer.crl import Crl, CrlVersion
from certs.issuer.generation import Link, Verdict
from certs.issuer.limits import Limits, Rates
from certs.issuer.locks import Target
from certs.issuer.policy import Binding, InvalidPolicy
from certs.issuer.refusal import Code, Refused
from certs.issuer.renew_window import Window
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance, IssuedCertificate
from certs.issuer.tables.tokens import Token
from identity.errors import JoinTokenInvalid
from identity.join import ID_BYTES, SECRET_BYTES, JoinToken
from identity.secret_stores.base import Secret

#: For so long after a join the same key may ask again and be answered without another use spent:
#: the reply may have been lost on its way.
JOIN_RETRY_WINDOW: Final = timedelta(minutes=10)

#: Expired certificates and tokens are remembered this long, so that a late use is still explained.
_KEPT_AFTER_END: Final = timedelta(days=7)

#: For so long after its end a certificate can be renewed by its key alone.
RENEWABLE_AFTER_END: Final = _KEPT_AFTER_END

_INSTANCE_ID_BYTES: Final = 16
# In hex digits (RFC 5280 §4.1.2.2): of a longer one, which is none of ours, this much is noted.
_MAX_SERIAL: Final = 40

_VERDICTS: Final = {
    Verdict.KEY_REUSED: (
        Code.KEY_REUSED,
        "the signing request's key is certified already",
        "make a new key for each renewal; if this was a repeated request, use the first's reply",
    ),
    Verdict.MISMATCH: (
        Code.GENERATION_MISMATCH,
        "this certificate was superseded: its identity is in use in two places",
        "the instance is now locked; find the copy, then 'devwiz-gw issuer unlock', or join anew",
    ),
}


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


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who joined: the instance, the link of its chain to certify, and the join state to give."""

    instance: Instance
    link: Link
    state: str = ""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Somebody who proved to be what a token or rule is for, unless one of `targets` is locked.
    `choose` is called with the pin of the key to certify, inside the transaction; a refusal that
    it returns, instead of raising it, keeps what it changed.
    """

    binding: Binding
    targets: tuple[Target, ...]
    choose: Callable[[str], Admitted | Refused]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an operator wants a token to grant. `derive`: to the workload's agents, each by a name
    of its own below the workload's.
    """

    workload: str
    path: str | None = None
    dns_names: tuple[str, ...] = ()
    life: timedelta = timedelta(minutes=30)
    uses: int = 1
    max_leaf_life: timedelta = policy.MAX_LEAF_LIFE
    derive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made; `text` is what the workload is given."""

    id: str
    text: Secret
    spiffe_id: str
    not_after: datetime


class IssuerService:
    """The issuer's operations over its state. `close` when done."""

    def __init__(
        self,
        *,
        store: Store,
        authorities: CurrentAuthorities,
        audit: AuditFile,
        trust_domain: str,
        leaf_life: timedelta = timedelta(hours=1),
        limits: Limits | None = None,
        random: RandomBytes = os.urandom,
    ) -> None:
        if not policy.MIN_LEAF_LIFE <= leaf_life <= policy.MAX_LEAF_LIFE:
            raise InvalidPolicy(
                f"a certificate life of {leaf_life} is out of range",
                hint="use 10 seconds to 24 hours",
            )
        self._store = store
        self._audit = audit
        self._random = random
        self._leaf_life = leaf_life
        self._limits = limits or Limits(Rates())
        self.authorities = authorities
        self._crl = Crl(store, lambda: authorities.read().trusted)
        self.trust_domain = trust_domain

    @property
    def authority(self) -> Authority:
        """The authority that clients pin: it signs for the issuer's own server."""
        return self.authorities.latest.server

    def make_token(self, grant: Grant, now: datetime) -> NewToken:
        """Make a join token; only its digest is kept.

        Raises:
            InvalidPolicy, InvalidSpiffeId: the grant asks for something that can't be given.
        """
        binding = policy.bind(
            trust_domain=self.trust_domain,
            workload=grant.workload,
            path=grant.path,
            dns_names=grant.dns_names,
            max_life=grant.max_leaf_life,
            derive=grant.derive,
        )
        if not timedelta(0) < grant.life <= policy.MAX_TOKEN_LIFE:
            raise InvalidPolicy(
                f"a token life of {grant.life} is out of range", hint="use 365 days at most"
            )
        if not 1 <= grant.uses <= policy.MAX_TOKEN_USES:
            raise InvalidPolicy(f"{grant.uses} uses are out of range", hint="use 1 to 1000000")
        token = JoinToken.from_random(self._random(ID_BYTES + SECRET_BYTES))
        event = Event(action="token", spiffe_id=binding.names.spiffe_id, token_id=token.id)
        with audited(self._audit, event, now), self._store.transaction():
            self._store.tokens.add(
                Token(
                    id=token.id,
                    digest=token.digest,
                    binding=binding,
                    uses_left=grant.uses,
                    not_after=now + grant.life,
                )
            )
        return NewToken(
            id=token.id,
            text=token.text,
            spiffe_id=binding.names.spiffe_id,
            not_after=now + grant.life,
        )

    def join(self, token_text: Secret, csr_pem: bytes, *, peer: str, now: datetime) -> Issued:
        """Turn a join token and a signing request into an instance's first certificate.

        Spending the token and recording the certificate are one transaction. If the reply is lost,
        the same key may ask again within `JOIN_RETRY_WINDOW`; any other key finds the token spent.

        Raises:
            Refused: the token, the request or policy stands against it.
        """
        event = Event(action="join", peer=peer)

        def applicant() -> Applicant:
            token = self._known_token(token_text, event)

            def choose(key: str) -> Admitted:
                instance = self._joined(token.id, key, event, now)
                return Admitted(instance, instance.lineage.confirmed)

            return Applicant(token.binding, token.targets, choose)

        return self.admit(applicant, csr_pem, event=event, now=now)

    def admit(
        self, prove: Callable[[], Applicant], csr_pem: bytes, *, event: Event, now: datetime
    ) -> Issued:
        """Certify who proves that it may join; everything that comes of it is one transaction.

        Raises:
            Refused: by `prove`, by policy, or by what the applicant came to.
        """
        with audited(self._audit, event, now):
            applicant = prove()
            self._limits.token(event.token_id)
            event.spiffe_id = applicant.binding.names.spiffe_id
            request = _parsed(csr_pem)
            granted = policy.granted(applicant.binding, request)
            event.spiffe_id = granted.names.spiffe_id
            with self._store.transaction():
                self._check_locks(applicant.targets, now)
                chosen = applicant.choose(keys.spki_pin(request.public_key))
                result = (
                    chosen
                    if isinstance(chosen, Refused)
                    else self._certified(_by_name(chosen, granted, request), request, event, now)
                )
            # A lock has to be kept, so its refusal is raised outside its transaction.
            if isinstance(result, Refused):
                raise result
            return result

    def renew(
        self,
        leaf_der: bytes,
        csr_pem: bytes,
        *,
        peer: str,
        now: datetime,
        prove: Callable[[x509.Certificate], None] | None = None,
    ) -> Issued:
        """Turn a current certificate, shown in a TLS handshake, into its successor.

        A certificate that has ended shows in no handshake: `prove` then checks by other means that
        its key is held, and it may have ended up to `RENEWABLE_AFTER_END` ago.

        Raises:
            Refused: the certificate is not current, or policy stands against it. On
                `generation_mismatch` the instance has been locked.
        """
        event = Event(action="renew", peer=peer)
        with audited(self._audit, event, now):
            holder = self._known_certificate(leaf_der, event, now, prove)
            self._limits.instance(holder.instance_id)
            request = _parsed(csr_pem)
            with self._store.transaction():
                instance = self._instance(holder.instance_id)
                event.spiffe_id = instance.binding.names.spiffe_id
                self._check_locks(instance.targets, now)
                policy.check_request(request, instance.binding.names)
                decision = generation.present(
                    instance.lineage, holder.link, keys.spki_pin(request.public_key)
                )
                leaf = None
                if decision.link is not None:
                    instance = replace(instance, lineage=decision.lineage)
                    leaf = self._sign(instance, decision.link, request, event, now)
                elif decision.verdict is Verdict.MISMATCH:
                    shown = f"generation {holder.link.generation}"
                    locking.lock_copied(self._store, instance, shown, event, now)
            # The lock has to be kept, so the refusal is raised outside its transaction.
            if leaf is None:
                code, message, hint = _VERDICTS[decision.verdict]
                raise Refused(code, message, hint=hint)
            return self._issued(instance, event, leaf)

    def bundle(self) -> BundleVersion:
        """The current trust bundle."""
        return self._version(self.authorities.read())

    def latest_bundle(self) -> BundleVersion:
        """The bundle as it was read last; may be called from any thread."""
        return self._version(self.authorities.latest)

    def renew_window(self, leaf_der: bytes, now: datetime) -> Window:
        """When the certificate that was shown in a TLS handshake should be renewed.

        Raises:
            Refused: it is not a current one of ours, or its instance asks too often.
        """
        # The event is not kept: nothing is given and nothing denied.
        holder = self._known_certificate(leaf_der, Event(action="renew"), now, None)
        self._limits.instance(holder.instance_id)
        return _window(x509.load_der_x509_certificate(leaf_der), self.authorities.read())

    def revocation_lists(self, now: datetime) -> CrlVersion:
        """The revocation lists of all authorities."""
        return self._crl.current(now)

    def prune(self, now: datetime) -> None:
        """Forget what ended long ago."""
        with self._store.transaction():
            self._store.prune(now - _KEPT_AFTER_END)

    def close(self) -> None:
        """Close the state and the audit file."""
        self._store.close()
        self._audit.close()

    def _known_token(self, token_text: Secret, event: Event) -> Token:
        unknown = Refused(
            Code.TOKEN_INVALID,
            "the join token is not one of this issuer's",
            hint="make one with 'devwiz-gw issuer token' at this issuer",
        )
        try:
            shown = JoinToken.parse(token_text)
        except JoinTokenInvalid as error:
            raise unknown from error
        event.token_id = shown.id
        token = self._store.tokens.find(shown.id)
        if token is None or not hmac.compare_digest(token.digest, shown.digest):
            raise unknown
        event.spiffe_id = token.binding.names.spiffe_id
        return token

    def _joined(self, token_id: str, key: str, event: Event, now: datetime) -> Instance:
        """The instance that this key may have for the token: one already given, or a new one."""
        # Read again inside the transaction: the count of uses must not be an older one.
        token = self._store.tokens.find(token_id)
        earlier = self._store.tokens.join_of(token_id, key)
        if token is None:
            raise Refused(Code.TOKEN_EXPIRED, "the join token has expired")
        if earlier is not None and now - earlier.joined <= JOIN_RETRY_WINDOW:
            return self._joined_before(earlier.instance_id, key, event, now)
        if now >= token.not_after:
            raise Refused(
                Code.TOKEN_EXPIRED,
                f"the join token expired at {token.not_after.isoformat(timespec='seconds')}",
                hint="make a new one with 'devwiz-gw issuer token'",
            )
        if token.uses_left == 0:
            raise Refused(
                Code.TOKEN_SPENT,
                "the join token has been used",
                hint="make a new one with 'devwiz-gw issuer token'; if nobody of yours used it, "
                "somebody else did: see the issuer's audit file",
            )
        instance = Instance(
            id=self._random(_INSTANCE_ID_BYTES).hex(),
            token_id=token.id,
            binding=token.binding,
            lineage=generation.first(key),
        )
        self._store.tokens.spend(token, key=key, instance_id=instance.id, now=now)
        return instance

    def _joined_before(self, instance_id: str, key: str, event: Event, now: datetime) -> Instance:
        event.reason = "repeated"
        instance = self._instance(instance_id)
        self._check_locks(instance.targets, now)
        if instance.lineage.confirmed != Link(1, key):
            # It has renewed since, so the reply did arrive: nobody needs it a second time.
            raise Refused(Code.TOKEN_SPENT, "the join token has been used by this key")
        return instance

    def _known_certificate(
        self,
        leaf_der: bytes,
        event: Event,
        now: datetime,
        prove: Callable[[x509.Certificate], None] | None = None,
    ) -> IssuedCertificate:
        leaf = x509.load_der_x509_certificate(leaf_der)
        serial = _serial_text(leaf)
        event.serial = serial[:_MAX_SERIAL]
        known = self._store.instances.certificate(serial)
        if known is None or known.link.key != _pin(leaf):
            raise Refused(
                Code.CERTIFICATE_UNKNOWN,
                "the client certificate is not one that this issuer remembers",
                hint="join again with a new token",
            )
        event.instance, event.generation = known.instance_id, known.link.generation
        if prove is not None:
            prove(leaf)
        # The handshake checked it too, but a connection may outlive the certificate. One that comes
        # without a handshake is its sender's word, all but serial number and key: so by our record.
        grace = timedelta(0) if prove is None else RENEWABLE_AFTER_END
        if now >= known.not_after + grace:
            raise Refused(
                Code.CERTIFICATE_EXPIRED,
                "the client certificate has expired",
                hint="join again with a new token",
            )
        return known

    def _check_locks(self, targets: Iterable[Target], now: datetime) -> None:
        lock = self._store.locks.on(targets, now)
        if lock is not None:
            raise locks.refusal(lock)

    def _instance(self, instance_id: str) -> Instance:
        instance = self._store.instances.find(instance_id)
        if instance is None:
            raise Refused(Code.CERTIFICATE_UNKNOWN, "the instance is not remembered any more")
        return instance

    def _sign(
        self, instance: Instance, link: Link, request: SigningRequest, event: Event, now: datetime
    ) -> Signed:
        binding: Binding = instance.binding
        authorities = self.authorities.read()
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
                serial=_serial_text(leaf),
                instance_id=instance.id,
                link=link,
                not_after=leaf.not_valid_after_utc,
                authority=keys.spki_pin(signer.issuing),
            )
        )
        event.serial, event.generation = _serial_text(leaf), link.generation
        return Signed(leaf=leaf, authorities=authorities)

    def _certified(
        self, admitted: Admitted, request: SigningRequest, event: Event, now: datetime
    ) -> Issued:
        event.instance = admitted.instance.id
        signed = self._sign(admitted.instance, admitted.link, request, event, now)
        return replace(self._issued(admitted.instance, event, signed), join_state=admitted.state)

    def _issued(self, instance: Instance, event: Event, signed: Signed) -> Issued:
        leaf, authorities = signed.leaf, signed.authorities
        return Issued(
            instance=instance.id,
            generation=event.generation or 0,
            spiffe_id=instance.binding.names.spiffe_id,
            chain_pem=authorities.workloads.chain_pem(leaf),
            bundle=self._version(authorities),
            not_after=leaf.not_valid_after_utc,
            renew_window=_window(leaf, authorities),
        )

    def _version(self, authorities: AuthoritySet) -> BundleVersion:
        return BundleVersion(
            trust_domain=self.trust_domain,
            sequence=authorities.sequence,
            pem=authorities.roots_pem,
        )


def _parsed(csr_pem: bytes) -> SigningRequest:
    try:
        return csr.parse(csr_pem)
    except InvalidCertificate as error:
        raise Refused(Code.INVALID_CSR, str(error), hint=error.hint) from error


def _by_name(admitted: Admitted, granted: Binding, request: SigningRequest) -> Admitted:
    """With the name granted, where the token is for any agent; who had a name before keeps it."""
    instance = admitted.instance
    if instance.binding.is_pattern:
        return replace(admitted, instance=replace(instance, binding=granted))
    policy.check_request(request, instance.binding.names)
    return admitted


def _window(leaf: x509.Certificate, authorities: AuthoritySet) -> Window:
    issued = leaf.not_valid_before_utc + profiles.BACKDATE
    return renew_window.window(issued, leaf.not_valid_after_utc, authorities.pull)


def _serial_text(leaf: x509.Certificate) -> str:
    return f"{leaf.serial_number:x}"


def _pin(leaf: x509.Certificate) -> str:
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return keys.spki_pin(leaf) if isinstance(key, keys.PublicKey) else ""
