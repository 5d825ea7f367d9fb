"""`gateway.clients.catalogue`: the names of the files, and what an entry looks like."""

from __future__ import annotations

import pytest

from gateway.clients.access import Access
from gateway.clients.catalogue import CLIENTS, http_entry, stdio_entry, user_files

ACCESS = Access(route="planner", url="http://127.0.0.1:1/mcp", token="t")


def test_every_client_is_found_by_its_name() -> None:
    assert all(name == item.name for name, item in CLIENTS.items())


def test_a_client_that_only_starts_commands_has_no_address() -> None:
    with pytest.raises(ValueError, match="only starts commands"):
        http_entry(CLIENTS["claude-desktop"], ACCESS)
    entry = stdio_entry(CLIENTS["claude-desktop"], "planner", ["gw", "stdio", "planner"])
    assert entry == {"type": "stdio", "command": "gw", "args": ["stdio", "planner"]}


def test_an_entry_has_the_client_s_own_words() -> None:
    headers = {"X-Devwiz-Gw-Token": "t"}
    assert http_entry(CLIENTS["gemini"], ACCESS) == {"httpUrl": ACCESS.url, "headers": headers}
    assert http_entry(CLIENTS["codex"], ACCESS) == {"url": ACCESS.url, "http_headers": headers}
    assert stdio_entry(CLIENTS["goose"], "mine", ["gw"]) == {
        "type": "stdio",
        "cmd": "gw",
        "args": [],
        "name": "mine",
        "enabled": True,
        "timeout": 300,
    }


@pytest.mark.parametrize(
    ("client", "env", "first"),
    [
        ("codex", {"HOME": "/h"}, "/h/.codex/config.toml"),
        ("codex", {"HOME": "/h", "CODEX_HOME": "/c"}, "/c/config.toml"),
        ("zed", {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/zed/settings.json"),
        ("zed", {"HOME": "/h", "XDG_CONFIG_HOME": "x"}, "/h/.config/zed/settings.json"),
    ],
)
def test_where_a_file_is(client: str, env: dict[str, str], first: str) -> None:
    assert str(user_files(CLIENTS[client], env, platform="linux")[0]) == first


def test_without_a_home_nobody_knows() -> None:
    for client in CLIENTS.values():
        assert user_files(client, {"HOME": "relative"}, platform="linux") == ()
        assert user_files(client, {}, platform="darwin") == ()
