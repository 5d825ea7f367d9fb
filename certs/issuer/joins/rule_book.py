"""The operator's side of join rules: make, list, change, remove. One thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from certs.issuer import policy
from certs.issuer.audit import AuditFile, Event, audited
from certs.issuer.ca import RandomBytes
from certs.issuer.joins import public_key, rules
from certs.issuer.joins.recovery import BoundKey
from certs.issuer.joins.rules import BoundKeyTerms, JoinRule, RecoveryMode, Terms
from certs.issuer.policy import InvalidPolicy
from certs.issuer.refusal import Refused
from certs.issuer.store import Store
from identity.join import ID_BYTES, SECRET_BYTES, RegistrationSecret
from identity.secret_stores.base import Secret

_BINDING_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWish:
    """What an operator wants a rule to be.

    Attributes:
        name: of the rule.
        workload: of those that join by it; further what `policy.bind` takes.
        public_key_pem: of a bound key that is known already; "" for one that registers with a
            secret, within `registration_life`.
    """

    name: str
    workload: str
    terms: Terms
    path: str | None = None
    dns_names: tuple[str, ...] = ()
    max_leaf_life: timedelta = policy.MAX_LEAF_LIFE
    public_key_pem: str = ""
    registration_life: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """A rule that was just made, and the secret by which its key registers, if one has to."""

    rule: JoinRule
    registration: Secret | None = None


class RuleBook:
    """The join rules of one issuer."""

    def __init__(
        self, store: Store, audit: AuditFile, *, trust_domain: str, random: RandomBytes
    ) -> None:
        self._store = store
        self._audit = audit
        self._trust_domain = trust_domain
        self._random = random

    def add(self, wish: RuleWish, now: datetime) -> NewRule:
        """Make a rule.

        Raises:
            InvalidPolicy, InvalidSpiffeId: the wish can't be granted, or the name is taken.
        """
        rule = self._rule(wish)
        bound, registration = None, None
        if isinstance(wish.terms, BoundKeyTerms):
            bound = BoundKey(
                rule=rule.name,
                binding=self._random(_BINDING_BYTES).hex(),
                registration_end=now + wish.registration_life,
            )
            if wish.public_key_pem:
                bound = replace(bound, key_pem=_checked_key(wish.public_key_pem))
            else:
                registration = self._registration_secret(wish.registration_life)
                bound = replace(bound, digest=registration.digest)
        with self._changing("made", now) as event:
            _tell(event, rule)
            self._refuse_taken(rule.name)
            self._store.join_rules.save(rule)
            if bound is not None:
                self._store.join_rules.save_key(bound)
        return NewRule(rule=rule, registration=registration.text if registration else None)

    def all(self) -> list[tuple[JoinRule, BoundKey | None]]:
        """Every rule, by name, with its key where it has one."""
        found = self._store.join_rules
        return [(rule, found.key_of(rule.name)) for rule in found.all()]

    def remove(self, name: str, now: datetime) -> None:
        """Take a rule away. Instances that joined by it go on until they are locked.

        Raises:
            InvalidPolicy: there is none.
        """
        with self._changing("removed", now) as event:
            _tell(event, self._known(name))
            self._store.join_rules.remove(name)

    def change_recovery(
        self, name: str, *, mode: RecoveryMode | None, limit: int | None, now: datetime
    ) -> JoinRule:
        """Set how often the key of a rule may join again, and how that is judged.

        Raises:
            InvalidPolicy: there is no such rule of a bound key, or the limit is out of range.
        """
        with self._changing("changed", now) as event:
            rule, terms, _ = self._known_bound(name)
            _tell(event, rule)
            terms = BoundKeyTerms(
                mode=mode or terms.mode,
                recovery_limit=terms.recovery_limit if limit is None else limit,
            )
            rules.check_bound_key_terms(terms)
            rule = replace(rule, terms=terms)
            self._store.join_rules.save(rule)
        return rule

    def new_registration(self, name: str, *, life: timedelta, now: datetime) -> Secret:
        """Let another key register in the place of the present one, as a new instance.

        Raises:
            InvalidPolicy: there is no such rule of a bound key.
        """
        secret = self._registration_secret(life)
        bound = BoundKey(
            rule=name,
            binding=self._random(_BINDING_BYTES).hex(),
            digest=secret.digest,
            registration_end=now + life,
        )
        with self._changing("registration", now) as event:
            rule, _, _ = self._known_bound(name)
            _tell(event, rule)
            self._store.join_rules.save_key(bound)
        return secret.text

    def _rule(self, wish: RuleWish) -> JoinRule:
        name = rules.checked_name(wish.name)
        if isinstance(wish.terms, BoundKeyTerms):
            rules.check_bound_key_terms(wish.terms)
        else:
            rules.check_token_terms(wish.terms)
        binding = policy.bind(
            trust_domain=self._trust_domain,
            workload=wish.workload,
            path=wish.path,
            dns_names=wish.dns_names,
            max_life=wish.max_leaf_life,
        )
        return JoinRule(name=name, binding=binding, terms=wish.terms)

    def _registration_secret(self, life: timedelta) -> RegistrationSecret:
        if not timedelta(0) < life <= policy.MAX_TOKEN_LIFE:
            raise InvalidPolicy(
                f"a registration life of {life} is out of range", hint="use 365 days at most"
            )
        return RegistrationSecret.from_random(self._random(ID_BYTES + SECRET_BYTES))

    @contextmanager
    def _changing(self, change: str, now: datetime) -> Iterator[Event]:
        """A transaction, and the audit line of what it changes. Other processes work with the same
        state, so what is read for a change is read in here.
        """
        event = Event(action="rule", evidence={"change": change})
        with audited(self._audit, event, now), self._store.transaction():
            yield event

    def _refuse_taken(self, name: str) -> None:
        if self._store.join_rules.find(name) is not None:
            raise InvalidPolicy(
                f"there is a join rule {name!r} already",
                hint="choose another name, or remove it: devwiz-gw issuer remove-rule NAME",
            )

    def _known(self, name: str) -> JoinRule:
        rule = self._store.join_rules.find(name)
        if rule is None:
            raise InvalidPolicy(
                f"there is no join rule {name[:80]!r}", hint="see 'devwiz-gw issuer rules'"
            )
        return rule

    def _known_bound(self, name: str) -> tuple[JoinRule, BoundKeyTerms, BoundKey]:
        rule, bound = self._known(name), self._store.join_rules.key_of(name)
        if not isinstance(rule.terms, BoundKeyTerms) or bound is None:
            raise InvalidPolicy(
                f"the join rule {name!r} has no bound key",
                hint="'devwiz-gw issuer rules' shows which rules have one",
            )
        return rule, rule.terms, bound


def _checked_key(pem: str) -> str:
    try:
        return public_key.to_pem(public_key.from_pem(pem))
    except Refused as error:
        raise InvalidPolicy(str(error), hint=error.hint) from None


def _tell(event: Event, rule: JoinRule) -> None:
    event.token_id, event.spiffe_id = rule.id, rule.binding.names.spiffe_id
    event.evidence = {"method": rule.method, **event.evidence}
