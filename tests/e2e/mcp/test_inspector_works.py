"""The Inspector's command line asks a remote server through the gateways, over both transports."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.mcp_everything import PATHS, everything
from tests.fakes.two_gateways import two_gateways

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.program("mcp-inspector"),
    pytest.mark.timeout(120),
]


def inspect(folder: Path, url: str, *words: str) -> Any:
    entry = require_program("mcp-inspector") / "node_modules/.bin/mcp-inspector"
    done = subprocess.run(
        [str(require_program("node")), str(entry), "--cli", url, *words],
        env=os.environ | {"HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.mark.parametrize("transport", PATHS)
def test_tools_are_listed_and_called(transport: str, tmp_path: Path) -> None:
    with (
        everything(transport) as port,
        two_gateways(tmp_path, port, protocol="http", life_s=60) as both,
    ):
        url = f"http://{both.address}{PATHS[transport]}"
        listed = inspect(tmp_path, url, "--method", "tools/list")
        call = ("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello")
        called = inspect(tmp_path, url, *call)
    assert "echo" in [tool["name"] for tool in listed["tools"]]
    assert called["content"][0]["text"] == "Echo: hello"
