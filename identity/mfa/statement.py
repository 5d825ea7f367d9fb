"""What a touch approves, to the letter: the key signs the hash of this. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from identity.mfa.assertion import ProofRefused

_FORMAT: Final = "devwiz-gw/approval/1"
#: So that a line of the journal stays short; nobody reads a longer list before touching.
MAX_NAMES: Final = 64
NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One action, or several of the same kind, that one touch allows.

    Attributes:
        action: as the journal calls it, such as "secret.read".
        names: of the secrets, or of what else it is done to.
        program: the name of the program that gets them, "" for none.
        command: SHA-256 over all words of that program's command line, whose words are nobody
            else's business; "" for none.
        nonce: makes each statement another one.
        at: when it was asked, UTC.
        within_s: how long after that the action may still begin.
        uses: how often it may be done: 1, or more for a batch that was announced as such.

    Raises:
        ProofRefused: there are too many names.
    """

    action: str
    project: str
    names: tuple[str, ...]
    program: str = ""
    command: str = ""
    nonce: str
    at: str
    within_s: int
    uses: int = 1

    def __post_init__(self) -> None:
        if len(self.names) > MAX_NAMES:
            raise ProofRefused(f"one touch is for {MAX_NAMES} names at most")

    def fields(self) -> dict[str, Any]:
        """As it stands in a line of the journal."""
        return {
            "format": _FORMAT,
            "action": self.action,
            "project": self.project,
            "names": list(self.names),
            "program": self.program,
            "command": self.command,
            "nonce": self.nonce,
            "at": self.at,
            "within_s": self.within_s,
            "uses": self.uses,
        }

    def challenge(self) -> bytes:
        """The SHA-256 of the statement as canonical JSON: keys sorted, no blanks, ASCII."""
        text = json.dumps(self.fields(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).digest()

    def is_in_time(self, now: datetime) -> bool:
        """Whether the action may begin at `now`."""
        asked = datetime.fromisoformat(self.at)
        return timedelta() <= now - asked <= timedelta(seconds=self.within_s)


def statement_of(fields: Mapping[str, Any]) -> Statement:
    """The statement in a line. Raises `ProofRefused` unless it is one, whole and of this format."""
    names = fields.get("names")
    texts = ("action", "project", "program", "command", "nonce", "at")
    if (
        not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
        or not all(isinstance(fields.get(key), str) for key in texts)
        or not all(type(fields.get(key)) is int for key in ("within_s", "uses"))
    ):
        raise ProofRefused("the statement is not whole")
    statement = Statement(
        **{key: fields[key] for key in texts},
        names=tuple(names),
        within_s=fields["within_s"],
        uses=fields["uses"],
    )
    if statement.fields() != dict(fields):
        raise ProofRefused("the statement is of another format")
    try:
        aware = datetime.fromisoformat(statement.at).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise ProofRefused("the statement has no time")
    return statement


def command_digest(argv: Sequence[str]) -> str:
    """What stands for a command line in a statement."""
    text = json.dumps(list(argv), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
