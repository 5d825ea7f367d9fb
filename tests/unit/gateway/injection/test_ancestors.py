"""`gateway.injection.ancestors`, over real processes and over files like those of /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.injection.ancestors import ProcessGone, agent_behind, agent_behind_us


class Processes:
    """Files like those of /proc."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "self").mkdir()

    def add(self, pid: int, parent: int, *environ: str) -> None:
        process = self.folder / str(pid)
        process.mkdir()
        (process / "environ").write_bytes("".join(f"{item}\0" for item in environ).encode())
        (process / "stat").write_text(f"{pid} (a) b (c) S {parent} 1 1 0")

    def behind(self, pid: int) -> str:
        return agent_behind(pid, proc=self.folder)


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    made = Processes(tmp_path)
    made.add(1, 0)
    return made


def test_an_agent_is_known_by_its_own_marks_and_by_its_children_s(processes: Processes) -> None:
    processes.add(10, 1, "HOME=/", "CURSOR_TRACE_ID=7")
    processes.add(11, 10, "HOME=/")
    processes.add(12, 11)
    processes.add(20, 1, "HOME=/", "EDITOR", "=odd")
    assert [processes.behind(pid) for pid in (10, 11, 12)] == ["Cursor"] * 3
    assert processes.behind(20) == ""


def test_a_circle_ends(processes: Processes) -> None:
    processes.add(30, 31)
    processes.add(31, 30)
    assert processes.behind(30) == ""


def test_a_parent_that_ends_meanwhile_tells_nothing(processes: Processes) -> None:
    processes.add(40, 41)
    assert processes.behind(40) == ""
    with pytest.raises(ProcessGone):
        processes.behind(41)


def test_where_there_is_no_proc_nothing_is_told(tmp_path: Path) -> None:
    assert agent_behind(1, proc=tmp_path) == ""


def test_what_can_not_be_read_is_passed_over(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for root, which reads everything, no mode of a file can show."""
    processes.add(10, 1, "CLAUDECODE=1")
    processes.add(11, 10, "AGENT=x")
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == processes.folder / "11" / "environ":
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert processes.behind(11) == "Claude Code"


PROGRAM = "from gateway.injection.ancestors import agent_behind_us; print(agent_behind_us())"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the system tells no environments")
def test_a_real_child_with_a_clean_environment_is_known() -> None:
    clean = {"PATH": os.environ["PATH"]}
    parent = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:], env={})"]
    child = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        [*parent, *child], env=clean | {"CLAUDECODE": "1"}, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "Claude Code"


def test_our_own_marks_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDECODE", "1")
    assert agent_behind_us() == "Claude Code"
