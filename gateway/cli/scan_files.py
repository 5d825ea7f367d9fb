"""Which files `scan` looks into: in a work tree of git those that git tracks or would add."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Compressed, so that nothing can be found in them: `--history` reads what they hold.
_GIT_OBJECTS: Final = (".git", "objects")
_LISTED: Final = ("--cached", "--others", "--exclude-standard")
_IGNORED: Final = ("--others", "--ignored", "--exclude-standard", "--directory")
#: A repository can name a program for git to run here; none is.
_QUIET: Final = ("-c", "core.fsmonitor=false")
#: A hook's variables, which lead to the repository that it is of, whatever folder is meant here.
_PLACES: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


class Files:
    """The plain files below folders; links are not followed, what they lead to is elsewhere. With
    `everything` also those that git ignores; otherwise these are in `left_out`, as far as one has
    got. A path that is named is looked into even where git ignores it.
    """

    def __init__(self, *, everything: bool) -> None:
        self._git = None if everything else shutil.which("git")
        self.left_out: list[str] = []

    def below(self, path: Path) -> Iterator[Path]:
        """The files of a folder, or the file itself."""
        if not path.is_dir():
            yield path
            return
        listed = None if self._is_ignored(path) else self._listed(path, *_LISTED)
        if listed is None:
            yield from _walked(path)
            return
        self.left_out += [str(path / name) for name in self._listed(path, *_IGNORED) or ()]
        for name in listed:
            inner = path / name
            if inner.is_dir() and not inner.is_symlink():  # a repository of its own
                yield from self.below(inner)
            elif os.path.lexists(inner):
                yield inner
        if (path / ".git").is_dir():  # addresses with passwords stand there
            yield from _walked(path / ".git")

    def _is_ignored(self, path: Path) -> bool:
        return self._asked(path, "check-ignore", "-q", ".") is not None

    def _listed(self, path: Path, *options: str) -> list[str] | None:
        """What git lists below a folder, or None where it can't tell: no work tree, no git."""
        said = self._asked(path, "ls-files", "-z", *options)
        if said is None:
            return None
        return [os.fsdecode(name) for name in dict.fromkeys(said.split(b"\0")) if name]

    def _asked(self, path: Path, *words: str) -> bytes | None:
        if self._git is None:
            return None
        env = {name: value for name, value in os.environ.items() if name not in _PLACES}
        done = subprocess.run(  # noqa: S603 - git, as found in PATH
            (self._git, "-C", str(path), *_QUIET, *words),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return None if done.returncode else done.stdout


def _walked(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if (here / name).parts[-2:] != _GIT_OBJECTS)
        for name in sorted(names):
            yield here / name
