"""`gateway.clients.formats`: what is printed is what the clients read."""

from __future__ import annotations

import ast
import json
import shlex

import pytest

from gateway.clients.access import Access
from gateway.clients.formats import FORMATS

TOKEN = "dwgw_0123456789"
URL = "http://127.0.0.1:8701/mcp?a='b'&c=\"d\""
OPEN = Access(route="planner", url=URL)
GUARDED = Access(route="planner", url=URL, token=TOKEN)
HEADERS = {"X-Devwiz-Gw-Token": TOKEN}


def text(form: str, access: Access) -> str:
    return FORMATS[form].text(access)


def test_each_form_is_called_by_its_name() -> None:
    assert all(name == item.name and item.summary for name, item in FORMATS.items())


def test_the_address_alone() -> None:
    assert text("url", OPEN) == URL
    assert text("url", GUARDED) == f"{URL}\nX-Devwiz-Gw-Token: {TOKEN}"


def test_a_command_line_holds_no_token() -> None:
    assert shlex.split(text("curl", OPEN)) == ["curl", URL]
    command, *said, end = text("curl", GUARDED).split("\n")
    assert shlex.split(command) == ["curl", "--header", "@-", URL, "<<END"]
    assert (said, end) == ([f"X-Devwiz-Gw-Token: {TOKEN}"], "END")
    by_socket = Access(route="planner", url="http://localhost/", socket="/run/a b.sock")
    assert shlex.split(text("curl", by_socket)) == [
        *("curl", "--unix-socket", "/run/a b.sock", "http://localhost/")
    ]


@pytest.mark.parametrize("form", ["python", "langgraph", "a2a"])
@pytest.mark.parametrize("access", [OPEN, GUARDED], ids=["open", "guarded"])
def test_a_program_is_one(form: str, access: Access) -> None:
    program = ast.parse(text(form, access))
    values = [node.value for node in ast.walk(program) if isinstance(node, ast.Constant)]
    texts = {value for value in values if isinstance(value, str)}
    assert texts == {URL, *access.headers, *access.headers.values()}


def test_a_program_of_typescript() -> None:
    assert f"new URL({json.dumps(URL)}));" in text("typescript", OPEN)
    headers = f"requestInit: {{ headers: {json.dumps(HEADERS)} }}"
    assert headers in text("typescript", GUARDED)


def test_an_entry_of_a_file() -> None:
    entry = {"type": "http", "url": URL}
    assert json.loads(text("json", OPEN)) == {"mcpServers": {"planner": entry}}
    guarded = {**entry, "headers": HEADERS}
    assert json.loads(text("json", GUARDED)) == {"mcpServers": {"planner": guarded}}
