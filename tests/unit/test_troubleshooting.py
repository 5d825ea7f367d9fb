"""docs/troubleshooting.md leads from symptoms to every error, by commands that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.data_plane.failure import REASONS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
KINDS = re.findall(r"(?m)^### (\w+)$", (DOCS / "reference" / "errors.md").read_text("utf-8"))
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`(?:[^`\n]* )?(devwiz-gw [^`\n]+)`", PAGE)))


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_met_at_a_symptom(reason: str) -> None:
    assert f"(reference/errors/requests.md#{reason})" in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_error_is_met_at_a_symptom(kind: str) -> None:
    assert f"(reference/errors.md#{kind.lower()})" in PAGE


def section_of(words: list[str]) -> str:
    """What docs/cli.md says of the longest command that the words begin with."""
    for count in range(len(words), 0, -1):
        heading = re.search(rf"(?m)^#+ {re.escape(' '.join(words[:count]))}$", CLI)
        if heading:
            return CLI[heading.end() :].split("\n#")[0]
    return ""


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_exists(command: str) -> None:
    words = [word for word in command.split() if not word.startswith("-")]
    section = section_of(words)
    assert section
    for option in re.findall(r"--[\w-]+", command):
        assert f"`{option}" in section, option


def test_each_row_says_something() -> None:
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("|")]
    assert len(rows) > 100
    assert all(row[0].strip() for row in rows)
