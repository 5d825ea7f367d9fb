"""The official test server of MCP, server-everything, and programs for Node."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import free_port

#: Its transports, and where each is.
PATHS = {"streamableHttp": "/mcp", "sse": "/sse"}


@contextmanager
def everything(transport: str) -> Iterator[int]:
    """The server, in plaintext; its port."""
    port = free_port()
    packages = require_program("mcp-everything")
    entry = packages / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    process = subprocess.Popen(
        [str(require_program("node")), str(entry), transport],
        env=os.environ | {"PORT": str(port)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, DEADLINE_S)
        yield port
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def node(folder: Path, program: str, script: str, *arguments: str) -> Any:
    """What `script`, which may import the packages of tests/programs/PROGRAM, prints as JSON."""
    path = folder / "client.mjs"
    path.write_text(script)
    packages = folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(require_program(program) / "node_modules")
    done = subprocess.run(
        [str(require_program("node")), str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
