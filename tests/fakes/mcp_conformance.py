"""The official conformance suite of MCP: what it says of a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S

_ENTRY: Final = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
_TIME: Final = re.compile(r"-\d{4}-\d\d-\d\dT[0-9-]+Z$")
#: How often each check of each scenario ended how.
Checks = Counter[tuple[str, str, str]]


def of_server(url: str, revision: str, folder: Path) -> Checks:
    """Of all scenarios of a revision."""
    return _checks(folder, "server", "--url", url, "--suite", "all", "--spec-version", revision)


def _checks(folder: Path, *arguments: str) -> Checks:
    entry = require_program("mcp-conformance") / _ENTRY
    done = subprocess.run(
        [str(require_program("node")), str(entry), *arguments, "--output-dir", str(folder)],
        env=os.environ | {"HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE_S,
        check=False,
    )
    found: Checks = Counter()
    for file in folder.rglob("checks.json"):
        scenario = _TIME.sub("", file.parent.relative_to(folder).as_posix())
        found.update((scenario, one["id"], one["status"]) for one in json.loads(file.read_text()))
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return Counter({key: number for key, number in found.items() if key[2] != "INFO"})
