"""`gateway.clients.receipt`: whose entry it is, and what is undone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.clients.files.base import NotEditable, Spot
from gateway.clients.files.jsonc import JSONC
from gateway.clients.receipt import Change, Kept, decoded, installed, removed

SPOT = Spot(container="mcpServers", name="planner")
ENTRY = {"url": "u"}
MINE = '{"mcpServers": {"planner": {"mine": 1}}, "a": 1}'


def put(text: str | None, kept: Kept | None = None, **options: Any) -> Change:
    chosen = {"missing_folders": 0, "force": False, **options}
    return installed(JSONC, text, SPOT, ENTRY, kept, **chosen)


def undo(text: str | None, kept: Kept | None, *, force: bool = False) -> Change:
    return removed(JSONC, text, SPOT, kept, force=force)


def test_somebody_else_s_entry_is_replaced_only_when_that_is_asked_for() -> None:
    with pytest.raises(NotEditable, match="not from here"):
        put(MINE)
    change = put(MINE, force=True)
    assert undo(change.after, change.kept).after == MINE


def test_the_entry_that_was_replaced_comes_back_into_a_changed_file() -> None:
    change = put(MINE, force=True)
    assert change.after is not None
    text = change.after.replace('"a": 1', '"a": 2')
    after = undo(text, change.kept).after
    assert json.loads(after or "") == {"mcpServers": {"planner": {"mine": 1}}, "a": 2}


def test_an_entry_that_is_there_is_left_to_whoever_wrote_it() -> None:
    text = json.dumps({"mcpServers": {"planner": ENTRY}})
    assert put(text) == Change(after=text, kept=None)
    with pytest.raises(NotEditable, match="is not from here"):
        undo(text, None)
    assert json.loads(undo(text, None, force=True).after or "") == {"mcpServers": {}}


def test_an_entry_that_was_changed_is_taken_away_only_by_force() -> None:
    change = put("{}")
    text = json.dumps({"mcpServers": {"planner": {"url": "other"}}})
    with pytest.raises(NotEditable, match="was changed"):
        undo(text, change.kept)
    assert undo(text, change.kept, force=True).after == "{}"


def test_a_second_installation_undoes_the_first() -> None:
    first = put(None, missing_folders=2)
    text = (first.after or "").replace("{", '{\n"other": 1,', 1)
    second = put(text, first.kept)
    assert json.loads(undo(second.after, second.kept).after or "") == {"other": 1}
    again = put(first.after, first.kept)
    assert undo(again.after, again.kept) == Change(after=None, kept=None, folders=2)


def test_an_entry_that_is_gone_is_no_trouble() -> None:
    change = put("{}")
    assert undo('{"a": 1}', change.kept) == Change(after='{"a": 1}', kept=None)
    assert undo(None, change.kept) == Change(after=None, kept=None)


def test_a_receipt_is_written_and_read() -> None:
    kept = put("{}").kept
    assert kept is not None
    assert decoded(kept.receipt.encoded()) == kept.receipt
    assert decoded(b"{}") is None
