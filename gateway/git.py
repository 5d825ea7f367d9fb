"""git, asked about a repository that somebody else may have made: it runs no program that the
repository names, reaches no other machine, and isn't waited for without end.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 30.0
#: A repository's own configuration can name a program that is run to find what changed.
_QUIET: Final = ("-c", "core.fsmonitor=false")
#: What is missing in a partial clone is not fetched, by a program that the repository names. Git
#: before 2.39.4 knows the second one only: git(1).
_HERE_ONLY: Final = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
#: A hook's variables, which lead to the repository that it is of, whatever folder is meant here.
_PLACES: Final = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)


@dataclass(frozen=True, slots=True)
class Git:
    """The git that is found in `PATH`; `env` is what it is run with."""

    program: str
    env: Mapping[str, str]

    def command(self, folder: Path, *words: str) -> tuple[str, ...]:
        """The command line of git in `folder`, to be run with `env`."""
        return (self.program, "-C", str(folder), *_QUIET, *words)

    def said(self, folder: Path, *words: str) -> bytes | None:
        """What git prints; None where it fails, or takes longer than 30 seconds: a repository's
        file can be a pipe that nobody writes to.
        """
        try:
            done = subprocess.run(  # noqa: S603 - git, as found in PATH
                self.command(folder, *words),
                env=self.env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return None
        return None if done.returncode else done.stdout


def find_git(env: Mapping[str, str]) -> Git | None:
    """The git that the `PATH` of `env` leads to, or None."""
    program = shutil.which("git", path=env.get("PATH"))
    if program is None:
        return None
    kept = {name: value for name, value in env.items() if name not in _PLACES}
    return Git(program, kept | _HERE_ONLY)
