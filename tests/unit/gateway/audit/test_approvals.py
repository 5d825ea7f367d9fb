"""`gateway.audit.approvals`, over the lines of a real journal, and by `gateway.audit.verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.approvals import Approvals
from gateway.audit.event import APPROVED, ENROLLED, REMOVED, USED, Event
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


AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


class Rig:
    """A journal, and a key that approves what is told in it."""

    def __init__(self, folder: Path) -> None:
        self.now = AT
        self.journal = Journal(folder / "audit.jsonl", project="acme", now=lambda: self.now)
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

    def approve(self, told: dict[str, Any], reason: str = "secret get", **more: Any) -> None:
        more["mfa"] = told
        self.journal.write(Event(action=APPROVED, outcome="ok", reason=reason, more=more))

    def use(self, uses: Any = 1, *, name: str = "db", reason: str = "secret get") -> None:
        more = {"approval": STATEMENT.nonce, "uses": uses}
        self.journal.write(Event(action=USED, outcome="ok", name=name, reason=reason, more=more))

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


def test_a_key_that_was_removed_approves_nothing_more(rig: Rig) -> None:
    rig.enrol(number=1)
    rig.approve(rig.approval())
    rig.journal.write(Event(action=REMOVED, outcome="ok", name="1"))
    rig.approve(rig.approval(replace(STATEMENT, nonce="11" * 16)))
    touches, (problem,) = rig.found()
    assert touches == 1
    assert "its key was removed before" in problem
    assert rig.found(frozenset((rig.public_key,))) == (2, []), "the removal failed after all"
    rig.enrol(number=2)
    rig.approve(rig.approval(replace(STATEMENT, nonce="22" * 16)))
    assert rig.found()[0] == 2


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


def test_an_approval_is_told_of_when_it_was_given(rig: Rig) -> None:
    """Whoever tells of an old one again, its line being gone, is found."""
    rig.enrol()
    rig.now += timedelta(seconds=300)
    rig.approve(rig.approval())
    touches, (problem,) = rig.found()
    assert touches == 0
    assert "at another time than it was given" in problem


BATCH = replace(STATEMENT, names=("db", "key"), uses=3, within_s=300)


def test_what_was_given_ahead_is_used(rig: Rig) -> None:
    rig.enrol()
    rig.approve(rig.approval(BATCH), ahead=True)
    rig.use(2, name="db, key")
    rig.now += timedelta(seconds=299)
    rig.use()
    assert rig.found() == (1, [])


@pytest.mark.parametrize(
    ("use", "passed_s", "why"),
    [
        ({"uses": 4}, 0, "more often"),
        ({"uses": True}, 0, "more often"),
        ({"uses": 0}, 0, "more often"),
        ({}, 301, "another time"),
        ({}, -120, "another time"),
        ({"name": "other"}, 0, "something else"),
        ({"name": "db, other"}, 0, "something else"),
        ({"reason": "run"}, 0, "another action"),
    ],
)
def test_a_use_that_was_not_approved_is_found(
    rig: Rig, use: dict[str, Any], passed_s: int, why: str
) -> None:
    rig.enrol()
    rig.approve(rig.approval(BATCH), ahead=True)
    rig.now += timedelta(seconds=passed_s + (31 if passed_s > 0 else 0))
    rig.use(**use)
    _, (problem,) = rig.found()
    assert why in problem


def test_a_touch_that_was_not_given_ahead_is_not_used_again(rig: Rig) -> None:
    rig.enrol()
    rig.approve(rig.approval(BATCH))
    rig.use()
    _, (problem,) = rig.found()
    assert "more often" in problem


def test_names_that_were_cut_off_are_no_others(rig: Rig) -> None:
    rig.enrol()
    names = tuple(f"{number}-" + "n" * 100 for number in range(12))
    rig.approve(rig.approval(replace(BATCH, names=names, uses=12)), ahead=True)
    rig.use(12, name=", ".join(names))
    assert rig.found() == (1, [])


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(-400, 400)), max_size=6))
def test_no_more_than_was_approved_is_ever_used(uses: list[tuple[int, int]]) -> None:
    """Against a model: so many, each in time."""
    walk, left = Approvals(), BATCH.uses
    walk.is_complete = False
    walk._left[BATCH.nonce], walk._given[BATCH.nonce] = left, BATCH
    asked = datetime.fromisoformat(BATCH.at)
    for count, passed in uses:
        at = (asked + timedelta(seconds=passed)).isoformat()
        line = {"action": USED, "approval": BATCH.nonce, "uses": count, "time": at}
        is_good = count <= left and -30 <= passed <= 330
        assert (walk.step(line) == "") is is_good
        left -= count if count <= left else 0


def test_where_lines_are_gone_an_unknown_key_is_neither_wrong_nor_proven(rig: Rig) -> None:
    walk = Approvals()
    walk.is_complete = False
    line = {"action": APPROVED, "outcome": "ok", "project": "acme", "reason": "secret get"}
    line["time"] = AT.isoformat()
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
