"""Whoever writes, signs and shortens the journal dies at each of its writes: nothing is found then,
and nothing after the next start.
"""

from __future__ import annotations

import asyncio
import os
import sys

from tests.fakes.issuer import PROJECT
from tests.fakes.memory_folder import memory_folder

#: Three rounds with lines, full files, signatures and removals have more.
FEWEST_KILLS = 60


async def test_it_leaves_no_false_finding() -> None:
    with memory_folder() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.fakes.killed_keeping", str(folder / "journal")),
            cwd=PROJECT,
            env={"PATH": os.environ.get("PATH", "")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    kills, undone = map(int, out.split())
    assert kills >= FEWEST_KILLS
    assert undone > 0, "no kill was between a removal's line and the removal"
