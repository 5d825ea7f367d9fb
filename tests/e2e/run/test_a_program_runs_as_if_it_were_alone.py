"""Process number, exit code and signals are the program's own."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.run.conftest import KEY, Project
from tests.fakes.scripted_upstream import wait_until

WAYS = [[], ["--deliver", "fd"], ["--deliver", "file"], ["--deliver", "fifo"], ["--mask"]]
TELLS = """
import os, signal, sys, time
def tell(signo, frame):
    os.write(1, signal.Signals(signo).name.encode() + b"\\n")
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), tell)
os.write(1, b"ready\\n")
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_the_exit_code_is_the_programs(project: Project, way: list[str]) -> None:
    assert project.run(*way, "--", "sh", "-c", "exit 7")[0] == 7
    assert project.run(*way, "--", "sh", "-c", "kill -USR1 $$")[0] == -signal.SIGUSR1
    assert project.run(*way, "--", "sh", "-c", "kill -KILL $$")[0] == -signal.SIGKILL


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_program_that_is_not_there(project: Project, way: list[str]) -> None:
    code, _, err = project.run(*way, "--", "no-such-program")
    assert code == 127
    assert "there is no such command" in err
    (project.folder / "plain").write_text("x")
    assert project.run(*way, "--", "./plain")[0] == 126


def test_without_a_need_for_a_parent_it_is_the_same_process(project: Project) -> None:
    with project.start("--", sys.executable, "-c", "import os; print(os.getpid())") as process:
        out, _ = process.communicate(timeout=30)
    assert int(out) == process.pid


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_signals_reach_the_program(project: Project, way: list[str]) -> None:
    names = ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1", "SIGUSR2"]
    with project.start(*way, "--", sys.executable, "-c", TELLS, *names) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for name in names:
            process.send_signal(getattr(signal, name))
            assert process.stdout.readline() == f"{name}\n".encode()
        process.send_signal(signal.SIGQUIT)
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGQUIT


@pytest.mark.parametrize("way", WAYS[2:], ids=" ".join)
def test_a_killed_parent_takes_the_program_along(project: Project, way: list[str]) -> None:
    script = "echo $$; exec sleep 1000"
    with project.start(*way, "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        process.wait(30)
        wait_until(lambda: not Path(f"/proc/{pid}/exe").exists(), 30)
    # What it left is removed by the next, whatever that one does.
    assert project.run("--", "true")[0] == 0
    assert project.left() == []


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_broken_pipe_ends_it(project: Project, way: list[str]) -> None:
    with project.start(*way, "--", "yes", KEY) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        process.wait(30)
    assert process.returncode != 0
