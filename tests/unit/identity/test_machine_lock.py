from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from identity.errors import TokenUnavailable
from identity.machine_lock import machine_lock

HOLD = (
    "import fcntl,sys,time\nf=open(sys.argv[1],'w')\nfcntl.flock(f,2)\nprint('held',flush=True)\n"
)


async def test_one_at_a_time_and_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    order: list[str] = []

    async def work(name: str) -> None:
        async with machine_lock(path, timeout_s=20):
            order.append(name)
            await asyncio.sleep(0.01)
            order.append(name)

    await asyncio.gather(*(work(name) for name in "abc"))
    assert order[::2] == order[1::2]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_another_process_is_waited_for_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = subprocess.Popen(  # noqa: ASYNC220 - it is started at once
        [sys.executable, "-c", HOLD + "time.sleep(600)", str(path)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TokenUnavailable, match="holds the session for too long"):
            async with machine_lock(path, timeout_s=0.1):
                raise AssertionError
    finally:
        process.kill()
        process.communicate()
    async with machine_lock(path, timeout_s=20):
        pass


async def test_a_folder_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenUnavailable, match="can't be made") as caught:
        async with machine_lock(tmp_path / "file" / "lock", timeout_s=1):
            raise AssertionError
    assert "XDG_STATE_HOME" in caught.value.hint
