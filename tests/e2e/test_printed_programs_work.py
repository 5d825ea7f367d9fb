"""The Python program that `client print` gives reaches an MCP server, with a token or without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clients.access import Access
from gateway.clients.formats import FORMATS
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.mcp_agent import McpAgent

TOKEN = "dwgw_0123456789abcdef"
GUARDED = """
[[routes.allow]]
token = "ide"
[secrets]
store = "folder"
folder = "secrets"
"""


@pytest.mark.parametrize("token", ["", TOKEN], ids=["open", "guarded"])
def test_the_program_lists_the_tools(tmp_path: Path, token: str) -> None:
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
        program = FORMATS["python"].text(Access(route="planner", url=url, token=token))
        command = [sys.executable, "-I", "-c", program]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=2 * DEADLINE_S, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "name='add'" in done.stdout
