"""`identity.configu.bounded_check`, with its real process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from identity.configu.bounded_check import BoundedCheck
from identity.configu.schema import Cfgu, declaration, problems, read_schema
from identity.errors import CheckTooSlow, ConfigRefused

#: Python's engine goes back and forth over these for longer than the universe has been there.
FOREVER: dict[str, dict[str, Any]] = {
    "by a pattern": {"pattern": "^(a+)+$"},
    "by another": {"pattern": "^(?:a|a?)+$"},
    "by a schema": {"type": "JSONSchema", "schema": {"pattern": "(a|aa)+$"}},
    "by a name": {"type": "JSONSchema", "schema": {"patternProperties": {"(a*)*$": {}}}},
}
LONG = "a" * 60 + "!"
SPOILERS = {"by a schema": f'"{LONG}"', "by a name": f'{{"{LONG}": 1}}'}


@pytest.fixture
def check() -> Iterator[BoundedCheck]:
    with BoundedCheck(timeout_s=30.0) as made:
        yield made


@pytest.fixture
def hasty() -> Iterator[BoundedCheck]:
    with BoundedCheck(timeout_s=0.5) as made:
        yield made


def test_it_says_what_the_declaration_says(check: BoundedCheck) -> None:
    cfgu = declaration("A", {"type": "Number", "pattern": "^(?=.*1)[0-9]+$", "depends": ["B"]})
    assert check(cfgu, "21") == cfgu.problem("21") == ""
    assert check(cfgu, "22") == cfgu.problem("22") == "it doesn't match the pattern"
    assert check(cfgu, "x1") == "it is not of type Number"
    shaped = declaration("A", {"type": "JSONSchema", "schema": {"type": "array", "minItems": 1}})
    assert check(shaped, "[1]") == ""
    assert check(shaped, "[]") == "it is not as its JSON schema says"
    assert check(cfgu, "1" * 70_000) == "it is too long to be checked"
    assert check(declaration("A", {"pattern": "1$"}), "1" * 65_536) == ""


@pytest.mark.parametrize("kind", FOREVER)
def test_it_ends(hasty: BoundedCheck, kind: str) -> None:
    cfgu = declaration("A", FOREVER[kind])
    with pytest.raises(CheckTooSlow, match="the check of A took longer than") as slow:
        hasty(cfgu, SPOILERS.get(kind, LONG))
    assert isinstance(slow.value, ConfigRefused)
    assert "aaa" not in f"{slow.value} {slow.value.hint}"
    assert hasty._helper.pid is None


def test_many_slow_ones_are_given_up(hasty: BoundedCheck) -> None:
    schema = read_schema({f"K{n}": FOREVER["by a pattern"] for n in range(6)} | {"PLAIN": {}})
    found = problems(schema, dict.fromkeys(schema, LONG), hasty)
    assert [text.partition(" took")[0] for text in found.values()] == [
        "the check of K0",
        "the check of K1",
        "the check of K2",
        "K3 is not checked: others",
        "K4 is not checked: others",
        "K5 is not checked: others",
    ]


def test_the_event_loop_goes_on_meanwhile(hasty: BoundedCheck) -> None:
    async def ticks() -> int:
        cfgu = declaration("A", FOREVER["by a pattern"])
        checking = asyncio.ensure_future(asyncio.to_thread(hasty, cfgu, LONG))
        count = 0
        while not checking.done():
            await asyncio.sleep(0.01)
            count += 1
        with pytest.raises(CheckTooSlow):
            await checking
        return count

    assert asyncio.run(ticks()) > 3


def test_a_declaration_without_expressions_needs_no_process() -> None:
    with BoundedCheck(command=("/nonexistent",)) as check:
        assert check(Cfgu(key="A", options=frozenset("ab")), "c") == "it is none of the options"
        with pytest.raises(CheckTooSlow, match="the check of A failed"):
            check(declaration("A", {"pattern": "x"}), "x")


def test_nothing_is_left_running() -> None:
    with BoundedCheck(timeout_s=30.0) as check:
        check(declaration("A", {"pattern": "x"}), "x")
        pid = check._helper.pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
