"""The issuer dies at each statement, commit, audit line and file operation of all that it does.
Whenever that is, the one that is started next finds a state that is whole, and its clients go on
with what they have: nobody is locked who wasn't copied, and no token is spent twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.fakes.dying_issuer import OPERATIONS
from tests.fakes.issuer import PROJECT
from tests.fakes.memory_folder import memory_folder

# An operation has a transaction and an audit line at least, after the issuer was opened.
FEWEST_POINTS = 10


@pytest.mark.parametrize(
    "operations", [("init", "rotation"), tuple(OPERATIONS.keys() - {"rotation"})], ids=len
)
async def test_it_can_be_killed_anywhere(operations: tuple[str, ...]) -> None:
    with memory_folder() as folder:
        points = await killed_at_all(folder, operations)
    assert points.keys() == set(operations)
    assert min(points.values()) >= FEWEST_POINTS


async def killed_at_all(folder: Path, operations: tuple[str, ...]) -> dict[str, int]:
    """By operation, at how many points it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.fakes.dying_issuer", str(folder), *operations),
        cwd=PROJECT,
        env={"PATH": os.environ.get("PATH", "")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(55):
            printed, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode == 0, said.decode()
    points: dict[str, int] = json.loads(printed)
    return points
