"""Touches in the journal, proven again: a pure walk over its lines.

A line with `mfa` holds what a person approved, and what the security key signed for it. The key has
to be one that an earlier line enrolled, or that is enrolled now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.audit.event import APPROVED, ENROLLED, USED
from identity.mfa.assertion import ProofRefused, check_proof, decoded, encoded, proof_of
from identity.mfa.statement import statement_of


class Approvals:
    """The touches of one journal, in the order of its lines. `known` are public keys (base64url)
    of which is known from elsewhere that they were enrolled.
    """

    def __init__(self, known: frozenset[str] = frozenset()) -> None:
        self.proven = 0
        #: Whether all lines from the first are there; else a key's enrolment may have been pruned.
        self.is_complete = True
        self._known = set(known)
        self._modes: dict[str, bool] = {}
        self._left: dict[str, int] = {}

    def step(self, line: Mapping[str, Any]) -> str:
        """What is wrong with a line, or ""."""
        try:
            if line.get("action") == ENROLLED and line.get("outcome") == "ok":
                self._enrolled(_part(line, "mfa_key"))
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
        if type(told.get("verified")) is bool:
            self._modes.setdefault(key, told["verified"])

    def _approved(self, line: Mapping[str, Any]) -> None:
        told = _part(line, "mfa")
        statement = statement_of(_part(told, "statement"))
        if statement.project != line.get("project"):
            raise ProofRefused("it was for another project")
        if statement.action != line.get("reason"):
            raise ProofRefused("it was for another action")
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
        self._left[statement.nonce] = statement.uses
        self.proven += is_known

    def _used(self, line: Mapping[str, Any]) -> None:
        """More can't be done than was approved ahead."""
        nonce, uses = str(line.get("approval")), line.get("uses")
        if nonce not in self._left:
            if self.is_complete:
                raise ProofRefused("no line tells that it was approved")
            return
        if type(uses) is not int or not 0 < uses <= self._left[nonce]:
            raise ProofRefused("it was used more often than was approved")
        self._left[nonce] -= uses


def _part(line: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = line.get(key)
    if not isinstance(value, Mapping):
        raise ProofRefused("a part of it is missing")
    return value
