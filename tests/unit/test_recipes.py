"""docs/recipes.md shows configurations that the parser takes, and commands that there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.config.parse import parse

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "recipes.md").read_text(encoding="utf-8")
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
USUAL: dict[str, Any] = {
    "project": "acme",
    "identity": {"source": "spiffe", "spiffe": {"socket": "unix:///run/spire/agent.sock"}},
    "routes": [
        {"name": "usual", "listen": "127.0.0.1:8700", "upstream": "https://planner.example.com"}
    ],
}


@pytest.mark.parametrize("block", re.findall(r"(?ms)^```toml\n(.*?)^```", PAGE))
def test_each_configuration_is_good(block: str) -> None:
    parse(USUAL | tomllib.loads(block), path=Path("/etc/devwiz-gw.toml"), max_socket_path=107)


@pytest.mark.parametrize("command", re.findall(r"(?m)^devwiz-gw ([a-z-]+(?: [a-z-]+)?)", PAGE))
def test_each_command_exists(command: str) -> None:
    assert re.search(rf"(?m)^#+ devwiz-gw {command.split()[0]}$", CLI)
