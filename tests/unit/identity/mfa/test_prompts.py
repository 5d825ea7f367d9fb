"""`identity.mfa.prompts`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from identity.errors import SecurityKeyUnavailable, TouchDenied
from identity.mfa.prompts import MOST_PROMPTS, PromptFile, Prompts, prompt_path


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prompts(tmp_path: Path, clock: Clock) -> PromptFile:
    return PromptFile(tmp_path / "state" / "touches.json", clock)


def ask(prompts: PromptFile, counter: int | None = None, credential: bytes = b"c") -> None:
    with prompts.prompt() as answered:
        if counter is not None:
            answered(credential, counter)


def test_unanswered_prompts_wait_longer_each_time(prompts: PromptFile, clock: Clock) -> None:
    waits = []
    for _ in range(3):
        ask(prompts)
    for _ in range(4):
        with pytest.raises(TouchDenied, match="too often") as denied:
            ask(prompts)
        waits.append(str(denied.value).rsplit("in ", 1)[1])
        clock.now += float(waits[-1].removesuffix(" s"))
        ask(prompts)
    assert waits == ["2 s", "4 s", "8 s", "16 s"]
    clock.now += 300
    ask(prompts, 1)
    ask(prompts)


def test_a_part_of_a_second_to_wait_is_not_told_as_none(prompts: PromptFile, clock: Clock) -> None:
    for _ in range(4):
        ask(prompts)
        clock.now += 2
    clock.now += 1.7
    with pytest.raises(TouchDenied, match="try again in 1 s"):
        ask(prompts)


def test_answered_ones_are_limited_as_well(prompts: PromptFile, clock: Clock) -> None:
    for count in range(1, MOST_PROMPTS + 1):
        ask(prompts, count)
    with pytest.raises(TouchDenied, match="try again in 60 s"):
        ask(prompts)
    clock.now += 60
    ask(prompts, 99)


def test_a_counter_that_does_not_grow_is_a_copy(prompts: PromptFile) -> None:
    ask(prompts, 7)
    ask(prompts, 3, b"another key")
    for counter in (7, 6, 0):
        with pytest.raises(TouchDenied, match="may be a copy"):
            ask(prompts, counter)


def test_a_key_that_does_not_count_is_taken(prompts: PromptFile) -> None:
    ask(prompts, 0)
    ask(prompts, 0)


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    asked = Prompts(asked=(5000.0,), unanswered=30)
    assert asked.wait_s(1000.0) == 300.0
    assert asked.prompted(1000.0).asked == (1000.0,)


def test_the_file_is_private_and_a_damaged_one_is_told(prompts: PromptFile, tmp_path: Path) -> None:
    ask(prompts, 1)
    path = tmp_path / "state" / "touches.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for text in ("{", '{"asked": [NaN, NaN, NaN], "unanswered": 9}', '{"unanswered": 1e999}'):
        path.write_text(text)
        with pytest.raises(SecurityKeyUnavailable, match="damaged"):
            ask(prompts)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecurityKeyUnavailable, match="can't be counted"):
        ask(prompts)


def test_where_it_is() -> None:
    assert prompt_path({"XDG_STATE_HOME": "/s"}) == Path("/s/devwiz-gw/touches.json")
    assert prompt_path({"XDG_STATE_HOME": "s", "HOME": "/h"}) == Path(
        "/h/.local/state/devwiz-gw/touches.json"
    )


def test_a_file_takes_over_what_another_one_knows(tmp_path: Path) -> None:
    times = iter([1.0, 2.0, 3.0])
    old, new = (PromptFile(tmp_path / name, lambda: next(times)) for name in ("old", "new"))
    new.take_over(tmp_path / "old")
    assert not (tmp_path / "new").exists()
    with old.prompt() as answered:
        answered(b"key", 7)
    with new.prompt() as answered:
        answered(b"key", 5)
        answered(b"second", 3)
    new.take_over(tmp_path / "old")
    known = json.loads((tmp_path / "new").read_bytes())
    assert known["asked"] == [1.0, 2.0]
    with pytest.raises(TouchDenied, match="counts backwards"), new.prompt() as answered:
        answered(b"key", 6)
