"""Joined workloads and their certificates."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from certs.issuer.generation import Lineage, Link
from certs.issuer.locks import LockKind, Target
from certs.issuer.policy import Binding
from certs.issuer.tables.columns import binding_columns, binding_from, from_ms, to_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A joined workload: its names, and how far its chain of certificates has come."""

    id: str
    token_id: str
    binding: Binding
    lineage: Lineage

    @property
    def targets(self) -> tuple[Target, ...]:
        """What can be locked to keep this instance out, the narrowest first."""
        return (
            Target(kind=LockKind.INSTANCE, name=self.id),
            Target(kind=LockKind.BOT, name=self.binding.workload),
            Target(kind=LockKind.TOKEN, name=self.token_id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """An instance for people: when it joined and was seen last, the end of its last certificate,
    and how many of them are good now.
    """

    instance: Instance
    joined: datetime
    seen: datetime
    not_after: datetime | None
    live_certificates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """Which link of which instance's chain a serial number stands for; `authority` is the key pin
    of the CA that signed it.
    """

    serial: str
    instance_id: str
    link: Link
    not_after: datetime
    authority: str


class Instances:
    """The tables `instances` and `certificates`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def save(self, instance: Instance, now: datetime) -> None:
        """Create an instance, or replace its lineage and mark it as seen."""
        lineage = instance.lineage
        pending = lineage.pending
        self._db.execute(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET confirmed_generation = excluded.confirmed_generation,"
            " confirmed_key = excluded.confirmed_key,"
            " pending_generation = excluded.pending_generation,"
            " pending_key = excluded.pending_key, seen_ms = excluded.seen_ms",
            (
                instance.id,
                instance.token_id,
                *binding_columns(instance.binding),
                lineage.confirmed.generation,
                lineage.confirmed.key,
                pending.generation if pending else None,
                pending.key if pending else None,
                to_ms(now),
                to_ms(now),
            ),
        )

    def find(self, instance_id: str) -> Instance | None:
        """The instance of that id, also when it is locked."""
        row = self._db.execute("SELECT * FROM instances WHERE id = ?", (instance_id,)).fetchone()
        return None if row is None else _instance(row)

    def ids_like(self, prefix: str) -> list[str]:
        """The ids that begin so; the first two will do."""
        rows = self._db.execute(
            "SELECT id FROM instances WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 2",
            (len(prefix), prefix),
        )
        return [str(row[0]) for row in rows]

    def rows(self, now: datetime) -> tuple[InstanceRow, ...]:
        """All of them, those seen last first."""
        rows = self._db.execute(
            "SELECT instances.*, max(not_after_ms), sum(coalesce(not_after_ms, 0) > ?)"
            " FROM instances LEFT JOIN certificates ON instance_id = id"
            " GROUP BY id ORDER BY seen_ms DESC, id",
            (to_ms(now),),
        )
        return tuple(
            InstanceRow(
                instance=_instance(row),
                joined=from_ms(row[10]),
                seen=from_ms(row[11]),
                not_after=None if row[12] is None else from_ms(row[12]),
                live_certificates=row[13],
            )
            for row in rows
        )

    def add_certificate(self, issued: IssuedCertificate) -> None:
        """Remember what a serial number stands for."""
        self._db.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?)",
            (
                issued.serial,
                issued.instance_id,
                issued.link.generation,
                issued.link.key,
                to_ms(issued.not_after),
                issued.authority,
            ),
        )

    def certificate(self, serial: str) -> IssuedCertificate | None:
        """What the serial number (lower-case hex) stands for."""
        row = self._db.execute("SELECT * FROM certificates WHERE serial = ?", (serial,)).fetchone()
        if row is None:
            return None
        return IssuedCertificate(
            serial=row[0],
            instance_id=row[1],
            link=Link(row[2], row[3]),
            not_after=from_ms(row[4]),
            authority=row[5],
        )

    def last_end(self) -> datetime | None:
        """When the last of all remembered certificates ends."""
        (end_ms,) = self._db.execute("SELECT max(not_after_ms) FROM certificates").fetchone()
        return None if end_ms is None else from_ms(end_ms)

    def live(self, now: datetime, *, seen_since: datetime) -> tuple[int, int]:
        """How many instances live at `now`, and how many of them asked for a certificate since.

        A live one has a certificate that is good and not revoked, and isn't in its last tenth: a
        workload asks for the next one long before, so who didn't is gone.
        """
        row = self._db.execute(
            "SELECT count(*), count(*) FILTER (WHERE seen_ms >= :since) FROM instances"
            " JOIN (SELECT instance_id, max(not_after_ms) AS end_ms FROM certificates"
            "  WHERE not_after_ms > :now AND serial NOT IN (SELECT serial FROM revocations)"
            "  GROUP BY instance_id) ON instance_id = id"
            " WHERE (end_ms - :now) * 10 > end_ms - seen_ms",
            {"since": to_ms(seen_since), "now": to_ms(now)},
        ).fetchone()
        return int(row[0]), int(row[1])

    def prune(self, before: datetime) -> None:
        """Forget certificates that ended before then, and instances that have no other: except
        those that a bound key may bring back however late, with their locks.
        """
        end = (to_ms(before),)
        self._db.execute("DELETE FROM certificates WHERE not_after_ms < ?", end)
        self._db.execute(
            "DELETE FROM instances WHERE seen_ms < ?"
            " AND id NOT IN (SELECT instance_id FROM certificates)"
            " AND id NOT IN (SELECT instance_id FROM bound_keys)",
            end,
        )


def _instance(row: tuple[Any, ...]) -> Instance:
    lineage = Lineage(
        confirmed=Link(row[6], row[7]),
        pending=None if row[8] is None else Link(row[8], row[9]),
    )
    return Instance(id=row[0], token_id=row[1], binding=binding_from(row[2:6]), lineage=lineage)
