"""What all joins by rules share: finding the rule, and the instance that a key gets. One thread."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from certs.issuer import generation
from certs.issuer.audit import Event
from certs.issuer.ca import RandomBytes
from certs.issuer.generation import Link
from certs.issuer.joins.rules import JoinRule
from certs.issuer.one_time_tokens import JOIN_RETRY_WINDOW
from certs.issuer.refusal import Code, Refused
from certs.issuer.service import Admitted
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance

_INSTANCE_ID_BYTES: Final = 16


class Admission:
    """Rules and new instances."""

    def __init__(self, store: Store, random: RandomBytes) -> None:
        self._store = store
        self._random = random

    def rule(self, name: str, event: Event) -> JoinRule:
        """The rule of that name, noted in the event. Raises `Refused`."""
        rule = self._store.join_rules.find(name)
        if rule is None:
            raise Refused(
                Code.RULE_UNKNOWN,
                "there is no join rule of that name",
                hint="'devwiz-gw issuer rules' lists those of the issuer",
            )
        event.token_id = rule.id
        event.evidence["method"] = rule.method
        return rule

    def new_or_repeated(self, rule: JoinRule, key: str, event: Event, now: datetime) -> Admitted:
        """An instance for each key; the same one where its reply was lost."""
        earlier = self._store.tokens.join_of(rule.id, key)
        if earlier is not None and now - earlier.joined <= JOIN_RETRY_WINDOW:
            event.reason = "repeated"
            instance = self._store.instances.find(earlier.instance_id)
            if instance is not None:
                self.check_lock(instance, now)
            if instance is None or instance.lineage.confirmed != Link(1, key):
                raise Refused(Code.KEY_REUSED, "the signing request's key is certified already")
            return Admitted(instance, instance.lineage.confirmed)
        instance = self.new_instance(rule, key)
        self._store.tokens.remember_join(rule.id, key=key, instance_id=instance.id, now=now)
        return Admitted(instance, instance.lineage.confirmed)

    def check_lock(self, instance: Instance, now: datetime) -> None:
        """Raises `Refused` while the instance, or what it joined by, is locked."""
        self._store.locks.check(instance.targets, now)

    def new_instance(self, rule: JoinRule, key: str) -> Instance:
        """An instance that nobody has heard of yet."""
        return Instance(
            id=self._random(_INSTANCE_ID_BYTES).hex(),
            token_id=rule.id,
            binding=rule.binding,
            lineage=generation.first(key),
        )


def other_method(rule: JoinRule) -> Refused:
    """The refusal of a rule that is for another way to join."""
    return Refused(
        Code.METHOD_MISMATCH,
        f"the join rule is for another way to join ({rule.method})",
        hint="correct the rule's name in the workload's configuration",
    )
