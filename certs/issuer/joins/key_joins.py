"""Joins with a bound key: prove it, register it, join again with it. One thread."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime

from certs import keys
from certs.issuer import generation, locking
from certs.issuer.audit import Event
from certs.issuer.generation import Link
from certs.issuer.joins import public_key, recovery, statements
from certs.issuer.joins.admission import Admission, other_method
from certs.issuer.joins.nonces import UsedNonces
from certs.issuer.joins.recovery import BoundKey, Verdict
from certs.issuer.joins.rules import BoundKeyTerms, JoinRule
from certs.issuer.joins.statements import JoinState, Signer
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import Admitted, Applicant, IssuerService
from certs.issuer.signing import Issued
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance
from identity.errors import JoinTokenInvalid
from identity.join import RegistrationSecret
from identity.secret_stores.base import Secret


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyAttempt:
    """Somebody with a bound key. `join_state` is "" for who has none; `registration` for who wants
    the key bound.
    """

    rule: str
    public_key_pem: str
    proof: str
    join_state: str
    registration: Secret | None
    csr_pem: bytes
    peer: str


class KeyJoins:
    """Joins with the keys that are bound to rules."""

    def __init__(
        self,
        issuer: IssuerService,
        store: Store,
        *,
        admission: Admission,
        signer: Signer,
        nonces: UsedNonces,
    ) -> None:
        self._issuer = issuer
        self._store = store
        self._admission = admission
        self._signer = signer
        self._nonces = nonces

    def join(self, attempt: KeyAttempt, now: datetime) -> Issued:
        """Turn a bound key's proof and a signing request into the next certificate of its instance.

        Raises:
            Refused: the proof, the key, the join state, the request or policy stands against it.
                On `join_state_mismatch` the instance has been locked.
        """
        event = Event(action="join", peer=attempt.peer)

        def applicant() -> Applicant:
            rule = self._admission.rule(attempt.rule, event)
            terms = rule.terms
            if not isinstance(terms, BoundKeyTerms):
                raise other_method(rule)
            key = public_key.from_pem(attempt.public_key_pem)
            event.evidence["key"] = keys.spki_pin(key)
            challenge = statements.proven_challenge(attempt.proof, key, attempt.csr_pem)
            nonce = self._signer.nonce_of(challenge, "join", rule.name, now=now)
            state = None
            if attempt.join_state and terms.mode != "insecure":
                state = self._signer.read_state(attempt.join_state, rule=rule.name)
            # Here too: whoever has another key must not use up the rule's rate for its holder.
            self._bound(rule, key, attempt.registration, event, now)

            def choose(leaf_key: str) -> Admitted | Refused:
                bound = self._bound(rule, key, attempt.registration, event, now)
                # Not before: nonces for keys of strangers would pile up.
                self._nonces.use(nonce, now)
                if terms.mode == "insecure":
                    self._store.join_rules.save_key(replace(bound, joins=bound.joins + 1))
                    return self._admission.new_or_repeated(rule, leaf_key, event, now)
                return self._recovered(_Recovery(rule, terms, bound, state), leaf_key, event, now)

            return Applicant(rule.binding, rule.targets, choose)

        return self._issuer.admit(applicant, attempt.csr_pem, event=event, now=now)

    def _bound(
        self,
        rule: JoinRule,
        key: keys.PublicKey,
        registration: Secret | None,
        event: Event,
        now: datetime,
    ) -> BoundKey:
        """What is remembered of this key: it is bound already, or its secret lets it be bound."""
        bound = self._store.join_rules.key_of(rule.name)
        if bound is None:
            raise Refused(Code.KEY_NOT_BOUND, "no key is bound to this join rule")
        if bound.key_pem == public_key.to_pem(key):
            return bound
        if registration is None:
            raise Refused(
                Code.KEY_NOT_BOUND,
                "this key is not bound to the join rule",
                hint="register its public key, or show the rule's registration secret",
            )
        _check_registration(bound, registration, now)
        event.evidence["registered"] = "yes"
        return replace(bound, key_pem=public_key.to_pem(key))

    def _recovered(
        self, wanted: _Recovery, leaf_key: str, event: Event, now: datetime
    ) -> Admitted | Refused:
        bound, state = wanted.bound, wanted.state
        instance = self._store.instances.find(bound.instance_id) if bound.instance_id else None
        if instance is not None:
            event.instance = instance.id
            self._admission.check_lock(instance, now)
        # A state of another key's time with this rule says nothing of this key.
        is_ours = state is not None and state.binding == bound.binding
        shown = Link(state.sequence, state.id) if state is not None and is_ours else recovery.START
        decision = recovery.present(
            bound,
            wanted.terms,
            shown=shown,
            next_id=leaf_key,
            latest_generation=_latest(instance),
        )
        match decision.verdict:
            case Verdict.ISSUE | Verdict.REPEAT:
                if decision.verdict is Verdict.REPEAT:
                    event.reason = "repeated"
                return self._admitted(wanted, decision, instance, leaf_key, now)
            case Verdict.MISMATCH:
                if instance is not None:
                    state_text = f"join state {shown.generation}"
                    locking.lock_copied(self._store, instance, state_text, event, now)
            case Verdict.LIMIT | Verdict.KEY_REUSED:
                pass
        return _refusal(decision.verdict)

    def _admitted(
        self,
        wanted: _Recovery,
        decision: recovery.Decision,
        instance: Instance | None,
        leaf_key: str,
        now: datetime,
    ) -> Admitted | Refused:
        """The next link of the instance's chain: to the issuer a join with the bound key is what a
        renewal by the confirmed certificate is.
        """
        if instance is None:
            instance, link = self._admission.new_instance(wanted.rule, leaf_key), Link(1, leaf_key)
        elif instance.lineage.confirmed.key == leaf_key:
            link = instance.lineage.confirmed
        else:
            step = generation.present(instance.lineage, instance.lineage.confirmed, leaf_key)
            if step.link is None:
                return _refusal(Verdict.KEY_REUSED)
            instance, link = replace(instance, lineage=step.lineage), step.link
        bound = replace(decision.bound, instance_id=instance.id, pending_generation=link.generation)
        self._store.join_rules.save_key(bound)
        state = JoinState(
            rule=wanted.rule.name,
            binding=bound.binding,
            instance=instance.id,
            sequence=decision.state.generation,
            id=decision.state.key,
            recovery_mode=wanted.terms.mode,
            recovery_limit=wanted.terms.recovery_limit,
        )
        return Admitted(instance, link, self._signer.state(state, now=now))


@dataclass(frozen=True, slots=True)
class _Recovery:
    rule: JoinRule
    terms: BoundKeyTerms
    bound: BoundKey
    state: JoinState | None


def _check_registration(bound: BoundKey, registration: Secret, now: datetime) -> None:
    hint = "make another one: devwiz-gw issuer change-rule NAME --new-registration"
    try:
        shown = RegistrationSecret.parse(registration)
    except JoinTokenInvalid as error:
        raise Refused(Code.REGISTRATION_INVALID, str(error), hint=error.hint) from None
    if not bound.digest or not hmac.compare_digest(bound.digest, shown.digest):
        raise Refused(
            Code.REGISTRATION_INVALID, "the registration secret is not this rule's", hint=hint
        )
    if bound.key_pem:
        raise Refused(
            Code.REGISTRATION_INVALID,
            "the registration secret has been used by another key",
            hint=f"if that key is none of yours, remove the rule; else {hint}",
        )
    if now >= bound.registration_end:
        raise Refused(Code.REGISTRATION_INVALID, "the registration secret has expired", hint=hint)


def _latest(instance: Instance | None) -> int:
    if instance is None:
        return 0
    return (instance.lineage.pending or instance.lineage.confirmed).generation


def _refusal(verdict: Verdict) -> Refused:
    match verdict:
        case Verdict.LIMIT:
            return Refused(
                Code.RECOVERY_LIMIT,
                "the bound key has been used for as many joins as its rule allows",
                hint="raise it: devwiz-gw issuer change-rule NAME --recovery-limit N",
            )
        case Verdict.MISMATCH:
            return Refused(
                Code.JOIN_STATE_MISMATCH,
                "the join state is not the last one: the bound key is in use in two places, or "
                "was brought back from a backup",
                hint="the instance is now locked; find the copy, then 'devwiz-gw issuer unlock' "
                "and 'devwiz-gw issuer change-rule NAME --new-registration'",
            )
        case _:
            return Refused(
                Code.KEY_REUSED,
                "the signing request's key is certified already",
                hint="make a new key for each request",
            )
