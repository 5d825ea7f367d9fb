"""A bounded run of every fuzz target; `python -m tests.fuzz NAME SECONDS` runs one for longer."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutation import TOKENS, Edit
from tests.fuzz.targets import TARGETS
from tests.property.effort import effort

edits = st.lists(
    st.builds(
        Edit,
        kind=st.integers(0, 3),
        at=st.integers(0, 1 << 10),
        length=st.integers(0, 16),
        token=st.integers(0, len(TOKENS) - 1),
    ),
    max_size=8,
)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@effort(150)
def test_edited_messages_are_accepted_or_refused(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    message = data.draw(st.sampled_from(target.seeds))
    for edit in data.draw(edits):
        message = edit.apply(message)
    target.check(message)


@pytest.mark.parametrize("name", TARGETS)
@given(message=st.binary(max_size=200))
@effort(50)
def test_any_bytes_are_accepted_or_refused(name: str, message: bytes) -> None:
    TARGETS[name].check(message)
    TARGETS[name].check(message + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["frames", "0"], 0), (["nothing", "1"], 2), (["frames", "x"], 2)]
)
def test_the_command_runs_a_target(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == code, done.stderr
