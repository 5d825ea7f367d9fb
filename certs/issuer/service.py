"""What the issuer does: join, renew, hand out the bundle. No HTTP, no event loop.

Each operation takes the time, changes the state in one transaction, and writes its audit line
before it returns. All calls come from one thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from certs import csr, keys
from certs.csr import SigningRequest
from certs.errors import InvalidCertificate
from certs.issuer import generation, locking, policy
from certs.issuer.audit import AuditFile, Event, audited
from certs.issuer.authorities import CurrentAuthorities
from certs.issuer.ca import Authority, RandomBytes
from certs.issuer.crl import Crl, CrlVersion
from certs.issuer.generation import Link, Verdict
from certs.issuer.holders import KEPT_AFTER_END, Holders
from certs.issuer.limits import Limits, Rates
from certs.issuer.locks import Target
from certs.issuer.one_time_tokens import Grant, NewToken, OneTimeTokens
from certs.issuer.policy import Binding, InvalidPolicy
from certs.issuer.refusal import Code, Refused
from certs.issuer.renew_window import Window
from certs.issuer.signing import BundleVersion, Issued, Signing, window_of
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance
from identity.secret_stores.base import Secret

_PRUNED: Final = "pruned"
_MOST_PRUNED: Final = timedelta(days=1)

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
        self._holders = Holders(store)
        self._signing = Signing(
            store=store,
            authorities=authorities,
            trust_domain=trust_domain,
            leaf_life=leaf_life,
            random=random,
        )
        self._tokens = OneTimeTokens(
            store, audit, trust_domain=trust_domain, holders=self._holders, random=random
        )
        self._limits = limits or Limits(Rates())
        self.authorities = authorities
        self._crl = Crl(store, lambda: authorities.read().trusted)
        self.trust_domain = trust_domain

    @property
    def authority(self) -> Authority:
        """The authority that clients pin: it signs for the issuer's own server."""
        return self.authorities.latest.server

    def make_token(self, grant: Grant, now: datetime) -> NewToken:
        """See `OneTimeTokens.make`."""
        return self._tokens.make(grant, now)

    def join(self, token_text: Secret, csr_pem: bytes, *, peer: str, now: datetime) -> Issued:
        """Turn a join token and a signing request into an instance's first certificate.

        Spending the token and recording the certificate are one transaction. If the reply is lost,
        the same key may ask again within `JOIN_RETRY_WINDOW`; any other key finds the token spent.

        Raises:
            Refused: the token, the request or policy stands against it.
        """
        event = Event(action="join", peer=peer)

        def applicant() -> Applicant:
            token = self._tokens.known(token_text, event)

            def choose(key: str) -> Admitted:
                instance = self._tokens.joined(token.id, key, event, now)
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
                self._store.locks.check(applicant.targets, now)
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
            holder = self._holders.certificate(leaf_der, event, now, prove)
            self._limits.instance(holder.instance_id)
            request = _parsed(csr_pem)
            with self._store.transaction():
                instance = self._holders.instance(holder.instance_id)
                event.spiffe_id = instance.binding.names.spiffe_id
                self._store.locks.check(instance.targets, now)
                policy.check_request(request, instance.binding.names)
                decision = generation.present(
                    instance.lineage, holder.link, keys.spki_pin(request.public_key)
                )
                leaf = None
                if decision.link is not None:
                    instance = replace(instance, lineage=decision.lineage)
                    leaf = self._signing.sign(instance, decision.link, request, event, now)
                elif decision.verdict is Verdict.MISMATCH:
                    shown = f"generation {holder.link.generation}"
                    locking.lock_copied(self._store, instance, shown, event, now)
            # The lock has to be kept, so the refusal is raised outside its transaction.
            if leaf is None:
                code, message, hint = _VERDICTS[decision.verdict]
                raise Refused(code, message, hint=hint)
            return self._signing.issued(instance, event, leaf)

    def bundle(self) -> BundleVersion:
        """The current trust bundle."""
        return self._signing.version(self.authorities.read())

    def latest_bundle(self) -> BundleVersion:
        """The bundle as it was read last; may be called from any thread."""
        return self._signing.version(self.authorities.latest)

    def renew_window(self, leaf_der: bytes, now: datetime) -> Window:
        """When the certificate that was shown in a TLS handshake should be renewed.

        Raises:
            Refused: it is not a current one of ours, or its instance asks too often.
        """
        # The event is not kept: nothing is given and nothing denied.
        holder = self._holders.certificate(leaf_der, Event(action="renew"), now, None)
        self._limits.instance(holder.instance_id)
        return window_of(x509.load_der_x509_certificate(leaf_der), self.authorities.read())

    def revocation_lists(self, now: datetime) -> CrlVersion:
        """The revocation lists of all authorities."""
        return self._crl.current(now)

    def prune(self, now: datetime) -> None:
        """Forget what ended long ago: by a clock that is believed a day further each time, as one
        that is years ahead for an hour would have everybody forgotten.
        """
        settings = self._store.settings
        with self._store.transaction():
            believed = settings.value(_PRUNED)
            if believed is not None:
                now = min(now, datetime.fromisoformat(believed) + _MOST_PRUNED)
            settings.keep(_PRUNED, now.isoformat())
            self._store.prune(now - KEPT_AFTER_END)

    def close(self) -> None:
        """Close the state and the audit file."""
        self._store.close()
        self._audit.close()

    def _certified(
        self, admitted: Admitted, request: SigningRequest, event: Event, now: datetime
    ) -> Issued:
        event.instance = admitted.instance.id
        signed = self._signing.sign(admitted.instance, admitted.link, request, event, now)
        return replace(
            self._signing.issued(admitted.instance, event, signed), join_state=admitted.state
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
