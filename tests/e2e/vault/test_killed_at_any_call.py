"""A change that is killed before any of its system calls is there or not; nothing else is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.e2e.vault.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ptrace is Linux's")


@pytest.mark.parametrize("change", ["set", "replace", "delete", "slot", "make"])
def test_killed_before_each_system_call(change: str) -> None:
    # What is killed is the process, not the machine: memory is as good as a disk, and faster.
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fakes.kill_points", folder, change],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # Before the commit the old state, after it the new one: both were met, many calls apart.
    assert found["old"] > 10
    assert found["new"] > 3
