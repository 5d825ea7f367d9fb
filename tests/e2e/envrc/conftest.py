"""A project, a shell with direnv's hook in it, and what `devwiz-gw envrc` says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.components import require_component
from tests.e2e.run.conftest import DEADLINE_S, Project, Terminal, project

__all__ = ["project"]

GATEWAY = (sys.executable, "-m", "gateway")

_HOOK: Final = {
    "bash": 'PS1=; set +o history; eval "$(direnv hook bash)"\r',
    "zsh": 'PS1=; unsetopt zle prompt_sp; eval "$(direnv hook zsh)"\r',
}


class Shell:
    """An interactive shell in the project's folder; each command ends in a prompt, before which
    direnv looks.
    """

    def __init__(self, project: Project, shell: str) -> None:
        program = require_component(shell)
        words = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i")}[shell]
        self._terminal = Terminal(project, *words, command=(program,))
        self._marks = 0
        self._terminal.type(_HOOK[shell])
        self.says("echo begun")

    def says(self, command: str) -> str:
        """What a command writes, run at the prompt after next, so that direnv has looked twice."""
        self._terminal.type(":\r")
        self._marks += 1
        mark = f"{self._marks:04}"
        # The terminal echoes what is typed: only the shell puts these together.
        self._terminal.type(f"{command}; echo 'e''nd'{mark}\r")
        before = len(self._terminal.seen)
        self._terminal.wait_for(f"end{mark}")
        return self._terminal.seen[before:]

    def has(self, name: str) -> str:
        """The value of an exported variable, or ""."""
        text = self.says(f"printf '<''%s''>' \"$(printenv {name})\"")
        return text.rpartition("<")[2].partition(">")[0]

    def close(self) -> None:
        self._terminal.type("exit\r")
        self._terminal.wait()
        self._terminal.close()


def wait_until(true: Callable[[], bool]) -> None:
    """Until it is so, or the test has failed."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


class Envrc:
    """Runs `devwiz-gw envrc` in the project's folder."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.file = project.folder / ".envrc"
        self.sessions = project.folder / "state" / "devwiz-gw" / ".envrc"

    def run(self, *words: str, cwd: Path | None = None) -> tuple[int, str, str]:
        done = subprocess.run(
            [*GATEWAY, "envrc", *words],
            cwd=cwd or self.project.folder,
            env=self.project.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
            start_new_session=True,
        )
        return done.returncode, done.stdout, done.stderr

    def start(self, *words: str) -> str:
        code, _, err = self.run("start", *words)
        assert code == 0, err
        return err

    def session_file(self) -> Path:
        (file,) = self.sessions.glob("*.json")
        return file

    def holder(self) -> int:
        (lock,) = self.sessions.glob("*.lock")
        return int(lock.read_text().split()[0])

    def journal(self) -> list[dict[str, object]]:
        (journal,) = (self.project.folder / "state").rglob("audit.jsonl")
        return [json.loads(line) for line in journal.read_text().splitlines()]


@pytest.fixture
def envrc(project: Project) -> Iterator[Envrc]:
    require_component("direnv")
    envrc = Envrc(project)
    yield envrc
    envrc.project.env.pop("CLAUDECODE", None)
    assert envrc.run("stop", "--all")[0] == 0
    assert list(envrc.sessions.glob("*.json")) == []
