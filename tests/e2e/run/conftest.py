"""A project whose manifest gives secrets to programs, and a terminal to run them in."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

KEY = "canary-key-value"
PASSWORD = "canary-password"
CONFIG = """
project = "acme"

[secrets]
store = "folder"
folder = "secrets"

[run]
secrets = ["password"]

[run.env]
API_KEY = "secret:key"
DB_URL = "postgres://app:{secret:password}@localhost/app"
"""
COMMAND = (sys.executable, "-m", "gateway", "run")
DEADLINE_S = 30.0


class Project:
    """Runs `devwiz-gw run` in the project's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sessions: list[int] = []
        self.runtime = folder / "runtime"
        self.runtime.mkdir(mode=0o700)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "TERM": "dumb",
            "PYTHON": sys.executable,
        }

    def start(self, *arguments: str, **more: object) -> subprocess.Popen[bytes]:
        """The command, in a session of its own, with pipes for its output."""
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **{"stdin": subprocess.DEVNULL, "start_new_session": True, **more},
        )
        self._sessions.append(process.pid)
        return process

    def kill_all(self) -> None:
        """End what a failed test left running."""
        for pid in self._sessions:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors of the finished command."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out.decode(), err.decode()

    def left(self) -> list[str]:
        """What lies where private files of running programs are."""
        return [str(path) for path in (self.runtime / "devwiz-gw").rglob("*")]


class Surroundings(Protocol):
    """Where a command runs, and with which environment."""

    folder: Path
    env: dict[str, str]


class Terminal:
    """A terminal in which a command runs, as its session's leader."""

    def __init__(
        self, project: Surroundings, *arguments: str, command: Sequence[str] = COMMAND
    ) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(project.folder)
            os.execve(command[0], [*command, *arguments], project.env)  # noqa: S606
        self.seen = ""
        self._from = 0

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Pull the window to another size."""
        termios.tcsetwinsize(self._fd, (rows, columns))

    def wait_for(self, text: str) -> None:
        """Until the text was shown, behind what was waited for before."""
        end = time.monotonic() + DEADLINE_S
        while (place := self.seen.find(text, self._from)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} was not shown: {self.seen!r}"
            assert self._read(left), f"ended without {text!r}: {self.seen!r}"
        self._from = place + len(text)

    def wait(self) -> int:
        """The wait status, after everything was shown."""
        while self._read(DEADLINE_S):
            pass
        return os.waitpid(self.pid, 0)[1]

    def close(self) -> None:
        """Hang up."""
        os.close(self._fd)

    def _read(self, patience_s: float) -> bool:
        if not select.select([self._fd], [], [], patience_s)[0]:
            return False
        try:
            data = os.read(self._fd, 4096)
        except OSError:  # nobody has the other end any more
            return False
        self.seen += data.decode()
        return bool(data)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "devwiz-gw.toml").write_text(CONFIG)
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    for name, value in (("key", KEY), ("password", PASSWORD), ("third", "canary-third")):
        (folder / name).write_text(value)
        (folder / name).chmod(0o600)
    project = Project(tmp_path)
    yield project
    project.kill_all()
    assert project.left() == []
