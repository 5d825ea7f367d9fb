"""Touches in the journal, proven again: a pure walk over its lines.

A line with `mfa` holds what a person approved, and what the security key signed for it. The key has
to be one that an earlier line enrolled, and none removed since, or that is enrolled now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.audit.event import APPROVED, ENROLLED, MAX_TEXT, REMOVED, USED
from identity.mfa.assertion import ProofRefused, check_proof, decoded, encoded, proof_of
from identity.mfa.statement import Statement, statement_of

#: A writer waits for its turn, and clocks are set.
_LATE: Final = timedelta(seconds=30)


class Approvals:
    """The touches of one journal, in the order of its lines. `known` are public keys (base64url)
    of which is known from elsewhere that they were enrolled.
    """

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self.proven = 0
        #: Whether all lines from the first are there; else a key's enrolment may have been pruned.
        self.is_complete = True
        self._known = set(known)
        self._enrolled_now = known
        self._numbers: dict[str, str] = {}
        self._removed: set[str] = set()
        self._modes: dict[str, bool] = {}
        self._left: dict[str, int] = {}
        self._given: dict[str, Statement] = {}

    def step(self, line: Mapping[str, Any]) -> str:
        """What is wrong with a line, or ""."""
        try:
            if line.get("action") == ENROLLED and line.get("outcome") == "ok":
                self._enrolled(_part(line, "mfa_key"))
            elif line.get("action") == REMOVED and line.get("outcome") == "ok":
                self._remove(str(line.get("name")))
            elif line.get("action") == APPROVED and line.get("outcome") == "ok":
                self._approved(line)
            elif line.get("action") == USED:
                self._used(line)
        except ProofRefused as refused:
            return f"a touch that is not proven: {refused}"
        return ""

    def _enrolled(self, told: Mapping[str, Any]) -> None:
        key = encoded(decoded(told.get("public_key")))
        self._known.add(key)
        self._numbers[str(told.get("number"))] = key
        self._removed.discard(key)
        if type(told.get("verified")) is bool:
            self._modes.setdefault(key, told["verified"])

    def _remove(self, number: str) -> None:
        """From here on a key may be whoever's that has it: it was lost, say."""
        key = self._numbers.pop(number, None)
        if key is not None and key not in self._enrolled_now:
            self._known.discard(key)
            self._removed.add(key)

    def _approved(self, line: Mapping[str, Any]) -> None:
        told = _part(line, "mfa")
        statement = statement_of(_part(told, "statement"))
        if statement.project != line.get("project"):
            raise ProofRefused("it was for another project")
        if statement.action != line.get("reason"):
            raise ProofRefused("it was for another action")
        if told.get("public_key") in self._removed:
            raise ProofRefused("its key was removed before")
        is_known = told.get("public_key") in self._known
        if not is_known and self.is_complete:
            raise ProofRefused("no line tells that its key was enrolled")
        verified = told.get("verified")
        if type(verified) is not bool:
            raise ProofRefused("its key's mode is missing")
        if verified is not self._modes.get(told["public_key"], verified):
            raise ProofRefused("its key was enrolled for another mode")
        check_proof(
            proof_of(told),
            challenge=statement.challenge(),
            public_key=decoded(told.get("public_key")),
            verified=verified,
        )
        if statement.nonce in self._left:
            raise ProofRefused("it was told of before")
        if not _is_in_time(line, statement):
            raise ProofRefused("it is told of at another time than it was given")
        # A touch that wasn't given ahead is used up by the command that asked for it.
        self._left[statement.nonce] = statement.uses if line.get("ahead") is True else 0
        self._given[statement.nonce] = statement
        self.proven += is_known

    def _used(self, line: Mapping[str, Any]) -> None:
        """No more, nothing else and not later than what was approved ahead."""
        nonce, uses = str(line.get("approval")), line.get("uses")
        if nonce not in self._left:
            if self.is_complete:
                raise ProofRefused("no line tells that it was approved")
            return
        if type(uses) is not int or not 0 < uses <= self._left[nonce]:
            raise ProofRefused("it was used more often than was approved")
        self._left[nonce] -= uses
        statement = self._given[nonce]
        if not _is_in_time(line, statement):
            raise ProofRefused("it was used at another time than was approved")
        if line.get("reason", statement.action) != statement.action:
            raise ProofRefused("it was used for another action")
        if not _names(line) <= set(statement.names):
            raise ProofRefused("it was used for something else")


def _names(line: Mapping[str, Any]) -> set[str]:
    """What a touch was used for; a text that was cut off ends in a part of a name."""
    text = str(line.get("name", ""))
    names = text.split(", ")
    return set(filter(None, names[:-1] if len(text) >= MAX_TEXT else names))


def _is_in_time(line: Mapping[str, Any], statement: Statement) -> bool:
    """Whether a line was written while the touch was good, or not much later."""
    try:
        passed = datetime.fromisoformat(str(line.get("time"))) - datetime.fromisoformat(
            statement.at
        )
        return -_LATE <= passed <= timedelta(seconds=statement.within_s) + _LATE
    except (ValueError, TypeError, OverflowError):
        return False


def _part(line: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = line.get(key)
    if not isinstance(value, Mapping):
        raise ProofRefused("a part of it is missing")
    return value
