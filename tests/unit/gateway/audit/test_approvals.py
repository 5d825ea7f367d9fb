"""`gateway.audit.approvals`, over the lines of a real journal, and by `gateway.audit.verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.approvals import Approvals
from gateway.audit.event import APPROVED, ENROLLED, Event
from gateway.audit.files import lines_of
from gateway.audit.journal import Journal
from gateway.audit.verify import Expected, verify
from identity.mfa.assertion import encoded
from identity.mfa.statement import Statement
from tests.fakes.authenticator import Authenticator
from tests.fakes.touches import enrolled, proof_by

STATEMENT = Statement(
    action="secret get",
    project="acme",
    names=("db",),
    nonce="00" * 16,
    at="2026-03-01T12:00:00+00:00",
    within_s=120,
)


class Rig:
    """A journal, and a key that approves what is told in it."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "audit.jsonl", project="acme")
        self.device = Authenticator()
        self.made = enrolled(self.device)
        self.public_key = encoded(self.made.public_key)

    def enrol(self, **more: Any) -> None:
        told = {"mfa_key": {"public_key": self.public_key, **more}}
        self.journal.write(Event(action=ENROLLED, outcome="ok", more=told))

    def approval(self, said: Statement = STATEMENT, **changes: Any) -> dict[str, Any]:
        proof = proof_by(self.device, self.made, said.challenge())
        told = {
            "statement": said.fields(),
            "public_key": self.public_key,
            "verified": False,
            **proof.fields(),
        }
        return told | changes

    def approve(self, told: dict[str, Any], reason: str = "secret get") -> None:
        self.journal.write(Event(action=APPROVED, outcome="ok", reason=reason, more={"mfa": told}))

    def found(self, known: frozenset[str] = frozenset()) -> tuple[int, list[str]]:
        """How many touches are proven, and what is wrong."""
        lines = list(lines_of(self.journal.path))
        verdict = verify([("audit.jsonl", lines)], Expected(touch_keys=known))
        return verdict.touches, [problem.what for problem in verdict.problems]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_touch_is_proven_from_the_journal_alone(rig: Rig) -> None:
    rig.enrol()
    rig.approve(rig.approval())
    assert rig.found() == (1, [])


def test_a_key_that_is_enrolled_now_may_have_its_line_gone(rig: Rig) -> None:
    rig.approve(rig.approval())
    assert rig.found(frozenset((rig.public_key,))) == (1, [])
    touches, (problem,) = rig.found()
    assert touches == 0
    assert "no line tells that its key was enrolled" in problem


def test_a_key_counts_in_the_mode_only_that_it_was_enrolled_for(rig: Rig) -> None:
    rig.enrol(verified=True)
    rig.enrol(verified=False)  # whoever writes this later changes nothing
    rig.approve(rig.approval(verified=False))
    touches, (problem,) = rig.found()
    assert touches == 0
    assert "enrolled for another mode" in problem


def test_a_key_that_was_enrolled_for_a_mode_is_proven_in_it(rig: Rig) -> None:
    rig.enrol(verified=False)
    rig.approve(rig.approval(verified=False))
    assert rig.found() == (1, [])


Change = Callable[[Rig], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rig: rig.approval(signature="AAAA"), "not the key's"),
        (lambda rig: rig.approval(verified=True), "didn't verify the person"),
        (lambda rig: rig.approval(verified=1), "mode is missing"),
        (lambda rig: rig.approval(statement={}), "not whole"),
        (lambda rig: rig.approval(statement=None), "a part of it is missing"),
        (
            lambda rig: rig.approval(statement=replace(STATEMENT, names=("key",)).fields()),
            "something else",
        ),
        (lambda rig: rig.approval(replace(STATEMENT, project="other")), "another project"),
        (lambda rig: rig.approval(replace(STATEMENT, action="run")), "another action"),
        (
            lambda rig: rig.approval(public_key=encoded(enrolled(Authenticator()).public_key)),
            "no line tells",
        ),
    ],
)
def test_what_was_not_touched_for_is_told(rig: Rig, change: Change, why: str) -> None:
    rig.enrol()
    rig.approve(change(rig))
    touches, (problem,) = rig.found()
    assert touches == 0
    assert why in problem


def test_a_touch_counts_once(rig: Rig) -> None:
    rig.enrol()
    told = rig.approval()
    rig.approve(told)
    rig.approve(told)
    touches, (problem,) = rig.found()
    assert touches == 1
    assert "told of before" in problem


def test_where_lines_are_gone_an_unknown_key_is_neither_wrong_nor_proven(rig: Rig) -> None:
    walk = Approvals()
    walk.is_complete = False
    line = {"action": APPROVED, "outcome": "ok", "project": "acme", "reason": "secret get"}
    assert walk.step({**line, "mfa": rig.approval()}) == ""
    assert walk.proven == 0
    assert "not the key's" in walk.step({**line, "mfa": rig.approval(signature="AAAA")})


def test_denied_ones_prove_nothing_and_need_not(rig: Rig) -> None:
    rig.journal.record(APPROVED, outcome="denied", reason="run: no key was touched in time")
    assert rig.found() == (0, [])


def test_lines_of_others_are_left_alone() -> None:
    walk = Approvals()
    for line in ({}, {"action": "secret.read", "mfa": 1}, json.loads('{"action": "mfa.list"}')):
        assert walk.step(line) == ""
    assert walk.step({"action": ENROLLED, "outcome": "ok"}) != ""
