"""A machine without a desktop: a home of its own, work folders, and commands run in them."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "gateway")
ROOT = Path(__file__).parents[3]
PASSPHRASE = "correct horse battery"
#: The least work for a passphrase: what is tried here is not how long that takes.
QUICK = ("--unlock-time", "0.1")
DEADLINE_S = 30.0
CONFIG = """
project = "{project}"
[secrets]
store = "vault"
{more}
"""


class Headless:
    """Runs `devwiz-gw` for somebody who is signed in without a desktop."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.work = self.project("acme")
        self.env = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
            **(env or {}),
        }

    @property
    def vault(self) -> Path:
        """The folder of the user's own vault."""
        return self.home / ".local" / "share" / "devwiz-gw" / "vault"

    @property
    def state(self) -> Path:
        """The folder with its marks."""
        return self.home / ".local" / "state" / "devwiz-gw" / "vault"

    def project(self, name: str, *, folder: str = "", more: str = "") -> Path:
        """A work folder with a configuration."""
        work = self.folder / (folder or name)
        work.mkdir(parents=True, exist_ok=True)
        text = CONFIG.format(project=name, more=more)
        (work / "devwiz-gw.toml").write_text(text, encoding="utf-8")
        return work

    def run(
        self,
        *arguments: str,
        said: str = "",
        passphrase: str | None = None,
        at: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """The finished command; `passphrase` comes by a descriptor, `said` by standard input."""
        reading, writing = os.pipe()
        os.write(writing, (passphrase or "").encode())
        os.close(writing)
        given = () if passphrase is None else ("--passphrase-fd", str(reading))
        try:
            return subprocess.run(
                [*COMMAND, *arguments, *given],
                cwd=at or self.work,
                env=self.env | dict(env or {}),
                input=said,
                text=True,
                capture_output=True,
                timeout=DEADLINE_S,
                check=False,
                pass_fds=[reading],
                start_new_session=True,  # no terminal to ask at
            )
        finally:
            os.close(reading)

    def done(self, *arguments: str, passphrase: str | None = None, said: str = "") -> str:
        """What a command said that must succeed."""
        result = self.run(*arguments, passphrase=passphrase, said=said)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    def make(self) -> None:
        """Make the vault."""
        self.done("vault", "init", *QUICK, passphrase=PASSPHRASE)

    def unlock(self) -> None:
        """Unlock it by its passphrase."""
        self.done("vault", "unlock", passphrase=PASSPHRASE)

    def get(self, name: str, *, at: Path | None = None) -> str:
        """A secret's value, or what was said instead."""
        result = self.run("secret", "get", name, at=at)
        return result.stdout if result.returncode == 0 else result.stderr

    def terminal(self, *arguments: str) -> Terminal:
        """The command at a terminal."""
        return Terminal([*COMMAND, *arguments], self.env, self.work)


class Terminal:
    """A person at a terminal."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.shown = ""
        self._seen = 0
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(command[0], [*command], dict(env))  # noqa: S606

    def until(self, pattern: str) -> str:
        """Wait until the terminal shows something new that matches; its first group, or all."""
        deadline = time.monotonic() + DEADLINE_S
        while (found := re.search(pattern, self.shown[self._seen :])) is None:
            if not self._more(deadline):
                raise AssertionError(f"{pattern!r} is not in {self.shown!r}")
        self._seen += found.end()
        return found[1] if found.groups() else found[0]

    def type(self, text: str) -> None:
        """Type a line; a lone surrogate stands for a byte, as `os.fsencode` has it."""
        os.write(self._fd, f"{text}\n".encode("utf-8", "surrogateescape"))

    def end(self) -> int:
        """Wait for the command's end; its exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while self._more(deadline):
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _more(self, deadline: float) -> bool:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([self._fd], [], [], left)[0]:
            raise AssertionError(f"nothing more after {self.shown!r}")
        try:
            data = os.read(self._fd, 4096)
        except OSError:  # Linux: the other side is closed
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@pytest.fixture
def headless(tmp_path: Path) -> Iterator[Headless]:
    machine = Headless(tmp_path)
    yield machine
    machine.run("vault", "lock")
