"""Join rules, and the keys that are bound to them."""

from __future__ import annotations

import sqlite3

from certs.issuer.generation import Lineage, Link
from certs.issuer.joins import rules
from certs.issuer.joins.recovery import BoundKey
from certs.issuer.joins.rules import JoinRule
from certs.issuer.tables.columns import binding_columns, binding_from, from_ms, to_ms


class JoinRules:
    """The tables `join_rules` and `bound_keys`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def save(self, rule: JoinRule) -> None:
        """Create a rule, or replace what it says."""
        self._db.execute(
            "REPLACE INTO join_rules VALUES (?, ?, ?, ?, ?, ?)",
            (rule.name, *binding_columns(rule.binding), rules.to_json(rule.terms)),
        )

    def find(self, name: str) -> JoinRule | None:
        """The rule of that name."""
        row = self._db.execute("SELECT * FROM join_rules WHERE name = ?", (name,)).fetchone()
        return None if row is None else _rule(row)

    def all(self) -> list[JoinRule]:
        """Every rule, by name."""
        return [_rule(row) for row in self._db.execute("SELECT * FROM join_rules ORDER BY name")]

    def remove(self, name: str) -> None:
        """Forget a rule and its key."""
        self._db.execute("DELETE FROM join_rules WHERE name = ?", (name,))
        self._db.execute("DELETE FROM bound_keys WHERE rule = ?", (name,))

    def save_key(self, bound: BoundKey) -> None:
        """Create or replace what is remembered of a rule's key."""
        states = bound.states
        self._db.execute(
            "REPLACE INTO bound_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                bound.rule,
                bound.binding,
                bound.key_pem,
                bound.digest,
                to_ms(bound.registration_end),
                bound.instance_id,
                bound.joins,
                states.confirmed.generation,
                states.confirmed.key,
                states.pending.generation if states.pending else None,
                states.pending.key if states.pending else None,
                bound.pending_generation,
            ),
        )

    def key_of(self, rule: str) -> BoundKey | None:
        """What is remembered of the key of a rule."""
        row = self._db.execute("SELECT * FROM bound_keys WHERE rule = ?", (rule,)).fetchone()
        if row is None:
            return None
        return BoundKey(
            rule=row[0],
            binding=row[1],
            key_pem=row[2],
            digest=row[3],
            registration_end=from_ms(row[4]),
            instance_id=row[5],
            joins=row[6],
            states=Lineage(
                confirmed=Link(row[7], row[8]),
                pending=None if row[9] is None else Link(row[9], row[10]),
            ),
            pending_generation=row[11],
        )


def _rule(row: tuple[str, str, str, str, int, str]) -> JoinRule:
    return JoinRule(name=row[0], binding=binding_from(row[1:5]), terms=rules.from_json(row[5]))
