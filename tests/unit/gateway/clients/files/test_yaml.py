"""`gateway.clients.files.yaml`: the lines around an entry stay."""

from __future__ import annotations

import pytest

from gateway.clients.files.base import NotEditable, Spot, entry_at, with_entry, without_entry
from gateway.clients.files.yaml import YAML

SPOT = Spot(container="extensions", name="planner")
ENTRY = {"uri": "http://127.0.0.1:1/mcp", "headers": {"X": "ä"}}
BLOCK = "planner:\n{0}  uri: http://127.0.0.1:1/mcp\n{0}  headers:\n{0}    X: ä\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"extensions:\n  {BLOCK.format('  ')}"),
        ("# c\na: 1 # d\n", f"# c\na: 1 # d\nextensions:\n  {BLOCK.format('  ')}"),
        (
            "extensions:\n    # c\n    x: {q: 1} # d\n\n# of b\nb: |\n  # text\n",
            "extensions:\n    # c\n    x: {q: 1} # d\n    "
            + BLOCK.format("    ")
            + "\n# of b\nb: |\n  # text\n",
        ),
        ("extensions: {} # c\nb: 1\n", f"extensions: # c\n  {BLOCK.format('  ')}b: 1\n"),
    ],
)
def test_an_entry_comes_and_goes(before: str, after: str) -> None:
    text = with_entry(YAML, before, SPOT, ENTRY)
    assert text == after
    made = "extensions" not in before
    assert without_entry(YAML, text, SPOT, container_too=made) == before


def test_an_entry_is_replaced_where_it_is() -> None:
    text = "extensions:\n  planner:\n    a: |\n      # no comment\n      b\n  # of x\n  x: {q: 1}"
    result = with_entry(YAML, text, SPOT, ENTRY)
    assert result == f"extensions:\n  {BLOCK.format('  ')}  # of x\n  x: {{q: 1}}\n"


def test_nothing_is_no_table_yet() -> None:
    text = with_entry(YAML, "extensions:\nb: 1\n", SPOT, ENTRY)
    assert text == f"extensions:\n  {BLOCK.format('  ')}b: 1\n"


def test_a_value_that_looks_like_another_type_stays_text() -> None:
    entry = {"a": "yes", "b": "1", "c": "0x1", "d": "null", "e": ": #", "f": "x" * 300}
    assert entry_at(YAML, with_entry(YAML, "", SPOT, entry), SPOT) == entry


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- 1\n",
        "a: 1\n---\nb: 2\n",
        "extensions: {x: {q: 1}}\n",
        "extensions: [1]\n",
        "extensions:\n  planner: 1\n",
        "a: !!python/object:os.system {}\n",
        "base: &b {x: {q: 1}}\nextensions: *b\n",
    ],
)
def test_what_can_not_be_edited_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        with_entry(YAML, text, SPOT, ENTRY)
