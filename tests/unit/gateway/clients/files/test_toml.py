"""`gateway.clients.files.toml`: the lines around an entry stay."""

from __future__ import annotations

import tomllib

import pytest

from gateway.clients.files.base import NotEditable, Spot, with_entry, without_entry
from gateway.clients.files.toml import TOML

SPOT = Spot(container="mcp_servers", name="planner")
ENTRY = {"url": 'http://127.0.0.1:1/"a"', "http_headers": {"X y": "ä\x7f"}, "args": ["a", "b"]}
TABLE = (
    '[mcp_servers.planner]\nurl = "http://127.0.0.1:1/\\"a\\""\n'
    'http_headers = { "X y" = "ä\\u007f" }\nargs = ["a", "b"]\n'
)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "a = 1 # one\n",
        '# c\n[mcp_servers.x]\nurl = "u"\n\n[b]\n# d\n',
        't = """\n[mcp_servers.planner]\n"""\nl = [\n  [1],\n]\n',
    ],
)
def test_an_entry_comes_and_goes(before: str) -> None:
    text = with_entry(TOML, before, SPOT, ENTRY)
    assert text == f"{before}{chr(10) if before else ''}{TABLE}"
    made = "mcp_servers.x" not in before
    assert without_entry(TOML, text, SPOT, container_too=made) == before


def test_an_entry_is_replaced_with_its_tables() -> None:
    text = (
        '[a]\nx = 1\n\n[mcp_servers."planner"] # mine\nurl = "old"\n\n# of b\n[b]\ny = 2\n'
        '[mcp_servers.planner.env]\nK = "1"\n# of c\n[[c]]\nz = 3\n'
    )
    result = with_entry(TOML, text, SPOT, ENTRY)
    assert result == f"[a]\nx = 1\n\n{TABLE}\n# of b\n[b]\ny = 2\n# of c\n[[c]]\nz = 3\n"


def test_the_last_line_needs_no_end() -> None:
    assert with_entry(TOML, "a = 1", SPOT, ENTRY) == f"a = 1\n\n{TABLE}"


def test_an_empty_table_of_servers_goes_or_stays() -> None:
    text = with_entry(TOML, "[mcp_servers]\n", SPOT, {"url": "u"})
    assert without_entry(TOML, text, SPOT, container_too=False) == "[mcp_servers]\n"
    assert without_entry(TOML, text, SPOT, container_too=True) == ""


def test_a_name_with_a_dot_is_quoted() -> None:
    text = with_entry(TOML, "", Spot(container="mcp_servers", name="a.b"), {"url": "u"})
    assert tomllib.loads(text) == {"mcp_servers": {"a.b": {"url": "u"}}}


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "mcp_servers = { x = { url = 1 } }\n",
        "mcp_servers = 1\n",
        '[mcp_servers]\nplanner.url = "u"\n',
        "[[mcp_servers.planner]]\n",
    ],
)
def test_what_can_not_be_edited_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        with_entry(TOML, text, SPOT, ENTRY)
