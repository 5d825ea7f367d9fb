"""`gateway.clients.files.jsonc`: comments, order and layout stay."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.files.base import NotEditable, Spot, entry_at, with_entry, without_entry
from gateway.clients.files.jsonc import JSONC

SPOT = Spot(container="mcpServers", name="planner")
ENTRY = {"url": "http://127.0.0.1:1/mcp", "headers": {"X": "ä"}}

#: With and without: what `put` makes of a file, and `drop` of that.
LAYOUTS = {
    "empty": ("{}", '{\n  "mcpServers": {\n    "planner": K\n  }\n}'),
    "one line": ('{"a": 1}', '{"a": 1, "mcpServers": {"planner": K}}'),
    "comments": (
        '{\n\t// one\n\t"a": 1 // 2\n\t/* three */\n}\n',
        '{\n\t// one\n\t"a": 1, // 2\n\t/* three */\n\t"mcpServers": {\n\t\t"planner": K\n\t}\n}\n',
    ),
    "trailing commas": (
        '{\n  "mcpServers": {\n    "x": {"u": [1, 2,],}, // http://a\n  },\n}',
        '{\n  "mcpServers": {\n    "x": {"u": [1, 2,],}, // http://a\n    "planner": K,\n  },\n}',
    ),
    "others follow": (
        '{"mcpServers": {\n    "x": {}\n  },\n  "z": "}\\" // no comment"}',
        '{"mcpServers": {\n    "x": {},\n    "planner": K\n  },\n  "z": "}\\" // no comment"}',
    ),
}


def shown(text: str) -> str:
    return re.sub(r'\{\s*"k": 1\s*\}', "K", text)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_entry_comes_and_goes(layout: str) -> None:
    before, after = LAYOUTS[layout]
    text = with_entry(JSONC, before, SPOT, {"k": 1})
    assert shown(text) == after
    made = "mcpServers" not in before
    assert without_entry(JSONC, text, SPOT, container_too=made) == before


def test_an_entry_is_replaced_where_it_is() -> None:
    text = '{\n  "mcpServers": {\n    "planner": {"old": true}, // mine\n    "x": {}\n  }\n}\n'
    result = with_entry(JSONC, text, SPOT, ENTRY)
    assert result.startswith('{\n  "mcpServers": {\n    "planner": {\n      "url": ')
    assert result.endswith('    }, // mine\n    "x": {}\n  }\n}\n')
    assert entry_at(JSONC, result, SPOT) == ENTRY


def test_the_first_of_several_goes_with_its_comma() -> None:
    text = '{"mcpServers": {\n  "planner": {}, // c\n  "x": {}\n}}'
    result = without_entry(JSONC, text, SPOT, container_too=False)
    assert result == '{"mcpServers": { // c\n  "x": {}\n}}'


def test_a_line_comment_swallows_nothing() -> None:
    text = '{"mcpServers": {\n  // mine\n  "planner": {}}}'
    result = without_entry(JSONC, text, SPOT, container_too=False)
    assert result == '{"mcpServers": {\n  // mine\n}}'


def test_a_file_without_text_becomes_one() -> None:
    text = with_entry(JSONC, " \n", SPOT, ENTRY)
    assert json.loads(text) == {"mcpServers": {"planner": ENTRY}}


def test_null_is_no_table_yet() -> None:
    text = with_entry(JSONC, '{"mcpServers": null, "a": 1}', SPOT, ENTRY)
    assert json.loads(text) == {"mcpServers": {"planner": ENTRY}, "a": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,, "b": 2}',
        '{"a": 1 "b": 2}',
        "{,}",
        '{"a"}',
        '{"a": nope}',
        '{"a": 01}',
        '{"a": "\t"}',
        r'{"a": "\x"}',
        '{"a": [1 2]}',
        "{} {}",
        "[]",
        "1",
        "{",
        '{"a": ' + "[" * 1000,
        "/* {}",
        '{"mcpServers": []}',
        '{"mcpServers": {"planner": 1}}',
        '{"mcpServers": {}, "mcpServers": {}}',
        '{"mcpServers": {"planner": {}, "planner": {}}}',
    ],
)
def test_what_can_not_be_edited_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        with_entry(JSONC, text, SPOT, ENTRY)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_SERVERS = st.dictionaries(st.text(min_size=1), st.dictionaries(st.text(), _VALUES, max_size=2))


@given(
    st.dictionaries(st.text(), _VALUES, max_size=3),
    st.none() | _SERVERS,
    st.sampled_from([None, 2, 4, "\t"]),
)
def test_any_document_comes_back(rest: dict[str, Any], servers: Any, indent: Any) -> None:
    document = rest if servers is None else {**rest, "mcpServers": servers}
    document.get("mcpServers", {}).pop("planner", None) if servers is not None else None
    if servers is None:
        document.pop("mcpServers", None)
    before = json.dumps(document, indent=indent)
    text = with_entry(JSONC, before, SPOT, ENTRY)
    made = servers is None
    assert without_entry(JSONC, text, SPOT, container_too=made) == before
