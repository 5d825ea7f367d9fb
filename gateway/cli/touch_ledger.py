"""How often a touch that was given ahead was used: the journal says so, as far as it is whole.

A file beside it could be put back. Each use is a line of the journal, signed at once, and the store
keeps how far was signed: who takes lines away, or an older journal, is found before the next use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from gateway.audit.event import APPROVED, USED, Event, Place, fields_of
from gateway.audit.files import all_files, lines_back
from gateway.audit.journal import Journal
from gateway.audit.key import key_ref, new_key, place_of, place_text, reached_ref, signer_of
from gateway.audit.verify import Expected, verify
from identity.errors import SecretNotFound
from identity.mfa.statement import Statement
from identity.secret_stores.base import Secret, SecretRef

_SEPARATOR: Final = ", "


class Shelf(Protocol):
    """Where the journal's key is kept, and how far was signed."""

    def sealed(self, ref: SecretRef) -> Secret:
        """The value as it is kept."""
        ...

    def set(self, ref: SecretRef, value: Secret) -> None:
        """Keep another value."""
        ...


class TouchLedger:
    """The uses of touches in one journal. `keys` are the security keys (base64url) that are
    enrolled.
    """

    def __init__(self, journal: Journal, store: Shelf, keys: frozenset[str]) -> None:
        self._journal = journal
        self._store = store
        self._keys = keys

    def sign(self) -> None:
        """Vouch for all lines so far, and keep how far that is. Raises `AuditFailed`, `Fault`."""
        self._journal.look_back(self._reached() or Place())
        place = self._journal.sign(signer_of(self._kept_key()))
        if place is not None:
            self._store.set(reached_ref(self._journal.project), place_text(place))

    def used(self, statement: Statement) -> int | None:
        """How often the touch was used; None if the journal doesn't prove it: the line of the
        approval is gone, another touch was given since, or lines were changed or taken away.
        """
        reached = self._reached()
        lines = [] if reached is None else self._since(statement.nonce)
        if reached is None or not lines:
            return None
        first = fields_of(lines[0]) or {}
        expected = Expected(
            keys=frozenset((signer_of(self._kept_key()).public_key,)),
            touch_keys=self._keys,
            reached=reached,
            begins=Place(first["seq"] - 1, str(first.get("prev"))),
        )
        if verify([(self._journal.path.name, lines)], expected).problems:
            return None
        return sum(_uses(fields_of(line) or {}, statement.nonce) for line in lines)

    def use(self, statement: Statement, names: Sequence[str]) -> int | None:
        """Write that the touch is used for these, signed; how often it was used then, as `used`."""
        told = {"approval": statement.nonce, "uses": uses_of(names)}
        name = _SEPARATOR.join(names)
        self._journal.write(
            Event(action=USED, outcome="ok", name=name, reason=statement.action, more=told)
        )
        self.sign()
        return self.used(statement)

    def _reached(self) -> Place | None:
        """How far was signed; None where that isn't known."""
        try:
            return place_of(self._store.sealed(reached_ref(self._journal.project)))
        except (SecretNotFound, ValueError):
            return None

    def _kept_key(self) -> Secret:
        ref = key_ref(self._journal.project)
        try:
            return self._store.sealed(ref)
        except SecretNotFound:
            self._store.set(ref, new_key())
            return self._store.sealed(ref)

    def _since(self, nonce: str) -> list[bytes]:
        """The lines from that of the approval on; none if a later touch ahead is found first."""
        found: list[bytes] = []
        for line in self._backwards():
            found.append(line)
            approved = _given_ahead(line)
            if approved:
                return found[::-1] if approved == nonce else []
        return []

    def _backwards(self) -> Iterator[bytes]:
        for path in reversed(all_files(self._journal.path)):
            with path.open("rb") as file:
                lines = lines_back(file.fileno(), file.seek(0, 2))
                if rest := next(lines):
                    yield rest
                yield from lines


def uses_of(names: Sequence[str]) -> int:
    """How many uses it is to read these."""
    return max(1, len(names))


def _given_ahead(line: bytes) -> str:
    """The nonce of the touch ahead that a line tells of, or ""."""
    if APPROVED.encode() not in line:
        return ""
    fields = fields_of(line) or {}
    if fields.get("action") != APPROVED or fields.get("ahead") is not True:
        return ""
    told: Any = fields.get("mfa")
    statement = told.get("statement") if isinstance(told, dict) else None
    if not isinstance(statement, dict) or type(fields.get("seq")) is not int:
        return "a broken one"
    return str(statement.get("nonce"))


def _uses(fields: dict[str, Any], nonce: str) -> int:
    is_use = fields.get("action") == USED and fields.get("approval") == nonce
    return int(fields["uses"]) if is_use else 0
