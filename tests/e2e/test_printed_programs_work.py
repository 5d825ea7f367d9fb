"""The programs that `client print` gives reach an MCP server, with a token or without."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.clients.access import Access
from gateway.clients.formats import FORMATS
from tests.components import require_program
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.mcp_agent import McpAgent

Command = Callable[[str, Path], list[str]]

TOKEN = "dwgw_0123456789abcdef"
GUARDED = """
[[routes.allow]]
token = "ide"
[secrets]
store = "folder"
folder = "secrets"
"""


def python(program: str, _: Path) -> list[str]:
    return [sys.executable, "-I", "-c", program]


def typescript(program: str, folder: Path) -> list[str]:
    packages = require_program("mcp-everything")
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "program.mjs").write_text(program)
    return [str(require_program("node")), str(folder / "program.mjs")]


@pytest.mark.program("node")
@pytest.mark.program("mcp-everything")
@pytest.mark.parametrize("command", [python, typescript])
@pytest.mark.parametrize("token", ["", TOKEN], ids=["open", "guarded"])
def test_the_program_lists_the_tools(tmp_path: Path, token: str, command: Command) -> None:
    authority = Authority()
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "local-token.ide").touch(0o600)
    (folder / "local-token.ide").write_text(TOKEN)
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.configure(more=GUARDED if token else "")
        gateway.start()
        gateway.until_ready()
        url = f"http://{gateway.address()}/mcp"
        access = Access(route="planner", url=url, token=token)
        program = FORMATS[command.__name__].text(access)
        done = subprocess.run(
            command(program, tmp_path),
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert re.search(r"name[=:] ?'add'", done.stdout)
