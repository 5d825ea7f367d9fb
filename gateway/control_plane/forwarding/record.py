"""What is sent of the journal, and what the other side says of it. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from gateway.audit.event import digest, fields_of, seq_of

#: Actions whose `name` is that of a secret, a token or a session, or of several.
_NAMED: Final = (
    *("secret.", "token.", "session.", "rotation."),
    *("configu.publish", "mfa.approve", "mfa.use"),
)
#: Reasons that quote the configuration, which names secrets.
_QUOTING: Final = frozenset({"config.reload"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the journal: `digest` names it for good, whatever `text` was made of it."""

    seq: int
    digest: str
    text: str
    fields: Mapping[str, Any] = field(repr=False)

    @property
    def at(self) -> datetime:
        """When it was written; 1970 where the line doesn't tell."""
        try:
            return datetime.fromisoformat(str(self.fields.get("time"))).astimezone(UTC)
        except (ValueError, OverflowError):
            return _EPOCH

    def said(self, name: str) -> str:
        """A field as text; "" where there is none."""
        value = self.fields.get(name, "")
        return _sendable(value if isinstance(value, str) else json.dumps(value))


@dataclass(frozen=True, slots=True)
class Taken:
    """The other side has the records; of `rejected` of them, unknown which, it says it hasn't."""

    rejected: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never take these records together; of several, some may be good alone. With
    `has_one` it is because it has one of them already.
    """

    why: str
    has_one: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """Nothing is wrong with the records: later, and not before `retry_after_s` if that is said.
    With `is_here` nobody was asked, because something is missing on this machine.
    """

    why: str
    retry_after_s: float | None = None
    is_here: bool = False


Verdict = Taken | Rejected | Away


class Destination(Protocol):
    """Where records are sent. A send that fails half way is repeated as a whole."""

    async def send(self, records: Sequence[Record]) -> Verdict:
        """Hand records over, in order; what fails is an answer, not an exception."""
        ...

    async def close(self) -> None:
        """Let go of connections; the next `send` opens them again."""
        ...


def record_of(line: bytes) -> Record | None:
    """A line of the journal; None for one that a crash or a full disk cut short."""
    seq = seq_of(line)
    if not seq:
        return None
    text = line.decode("utf-8", "replace")
    return Record(seq, digest(line), text, fields_of(line) or {})


def with_hashed_names(record: Record, key: bytes) -> Record:
    """The same with names of secrets, tokens, sessions and variables replaced by their HMAC, so
    that who has the key can tell which is meant; its line's hash is added, since the text's is
    another one.
    """
    fields = dict(record.fields)
    action = record.said("action")
    if action.startswith(_NAMED):
        name = record.said("name")
        hashed = _hashed(name, key)
        fields["name"] = hashed
        if name:
            fields["reason"] = record.said("reason").replace(name, hashed)
    if "variable" in fields:
        fields["variable"] = _hashed(record.said("variable"), key)
    if isinstance(variables := fields.get("variables"), list):
        fields["variables"] = [_hashed(str(name), key) for name in variables]
    if isinstance(touch := fields.get("mfa"), dict):
        fields["mfa"] = _with_hashed_statement(touch, key)
    if action in _QUOTING:
        fields["reason"] = _hashed(record.said("reason"), key)
    fields["hash"] = record.digest
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return Record(record.seq, record.digest, _sendable(text), fields)


def _with_hashed_statement(touch: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """A touch's proof, where the statement that was approved lists the names once more."""
    statement = touch.get("statement")
    if not isinstance(statement, dict) or not isinstance(names := statement.get("names"), list):
        return dict(touch)
    return {**touch, "statement": {**statement, "names": [_hashed(str(n), key) for n in names]}}


def _hashed(name: str, key: bytes) -> str:
    if not name:
        return ""
    return (
        "hmac-sha256:" + hmac.new(key, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    )


def _sendable(text: str) -> str:
    """What UTF-8 can't hold as an escape: receivers take no half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()
