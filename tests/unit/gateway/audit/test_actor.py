"""`gateway.audit.actor`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gateway.audit.actor import actor_of, own_actor


def test_this_process_is_known() -> None:
    own = own_actor()
    assert (own.uid, own.pid) == (os.getuid(), os.getpid())
    assert Path(own.exe).resolve() == Path(sys.executable).resolve()
    assert own.user


def test_a_process_with_an_odd_name_is_known_by_its_start(tmp_path: Path) -> None:
    odd = tmp_path / ") 1 (2"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "60"]) as process:
        try:
            told = actor_of(process.pid, 0)
        finally:
            process.kill()
    assert told.started >= own_actor().started > 0


def test_one_that_is_gone_is_told_as_far_as_it_is_known() -> None:
    told = actor_of(2**22 + 1, 4_294_000_000)
    assert (told.exe, told.started, told.user) == ("", 0, "")
