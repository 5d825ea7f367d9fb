"""docs/reliability.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_named_test_exists(path: str, name: str) -> None:
    file = TESTS / path
    assert file.is_file(), f"no tests/{path}"
    assert re.search(rf"^(?:async )?def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE)


def test_each_row_says_something() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert len(NAMED) > 100
    assert all(len(line.strip("|").split("|")) == 2 for line in rows)
    assert all(cell.strip() for line in rows for cell in line.strip("|").split("|"))
