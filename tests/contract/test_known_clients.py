"""The clients known by name, against the data of npm `@gleanwork/mcp-config-schema`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.clients.access import Access
from gateway.clients.catalogue import CLIENTS, http_entry, stdio_entry, user_files
from tests.components import require_program

#: What the schema calls a system, and a home of it.
HOMES = {
    "linux": {"HOME": "/home/me"},
    "darwin": {"HOME": "/Users/me"},
    "win32": {"USERPROFILE": r"C:\me", "APPDATA": r"C:\me\roaming"},
}
#: Zed isn't in the schema.
NAMES = sorted(CLIENTS.keys() - {"zed"})
#: Which the client's documentation has, and the schema doesn't.
MORE = {"goose": {"headers", "name", "enabled", "timeout"}, "opencode": {"enabled"}}
ACCESS = Access(route="planner", url="http://127.0.0.1:1/mcp", token="t")

pytestmark = pytest.mark.program("mcp-config-schema")


@pytest.fixture(params=NAMES)
def schema(request: pytest.FixtureRequest) -> dict[str, Any]:
    packages = require_program("mcp-config-schema") / "node_modules"
    file = packages / "@gleanwork" / "mcp-config-schema" / "configs" / f"{request.param}.json"
    data: dict[str, Any] = json.loads(file.read_text())
    return data


def test_the_file_is_where_the_client_looks(schema: dict[str, Any]) -> None:
    client = CLIENTS[schema["id"]]
    assert client.format == schema["configFormat"]
    for system, pattern in schema["configPath"].items():
        path = pattern
        for name, value in HOMES[system].items():
            path = path.replace(f"%{name}%", value).replace(f"${name}", value)
        assert str(user_files(client, HOMES[system], platform=system)[0]) == path
    assert bool(schema["configPath"]) == bool(client.user)


def test_an_entry_of_an_address(schema: dict[str, Any]) -> None:
    client, structure = CLIENTS[schema["id"]], schema["configStructure"]
    assert client.container == structure["serversPropertyName"]
    assert ("http" in schema["transports"]) == (client.http is not None)
    if client.http is None:
        return
    names = structure["httpPropertyMapping"]
    wanted: dict[str, Any] = {names["urlProperty"]: ACCESS.url}
    if "headersProperty" in names:
        wanted[names["headersProperty"]] = ACCESS.headers
    if "typeProperty" in names:
        wanted[names["typeProperty"]] = names["typeValue"]
    check(http_entry(client, ACCESS), wanted, client.name)


def test_an_entry_of_a_command(schema: dict[str, Any]) -> None:
    client = CLIENTS[schema["id"]]
    names = schema["configStructure"]["stdioPropertyMapping"]
    entry = stdio_entry(client, "planner", ["gw", "stdio"])
    if names["argsProperty"] == names["commandProperty"]:
        command: dict[str, Any] = {names["commandProperty"]: ["gw", "stdio"]}
    else:
        command = {names["commandProperty"]: "gw", names["argsProperty"]: ["stdio"]}
    if "typeProperty" in names:
        # The schema names no value; the clients' documentation does.
        command[names["typeProperty"]] = "local" if client.name == "opencode" else "stdio"
    check(entry, command, client.name)


def check(entry: dict[str, Any], wanted: dict[str, Any], name: str) -> None:
    more = MORE.get(name, set())
    assert {key: value for key, value in entry.items() if key not in more} == wanted
