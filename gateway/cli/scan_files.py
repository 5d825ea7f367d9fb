"""Which files `scan` looks into: in a work tree of git those that git tracks or would add."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.git import find_git

#: Compressed, so that nothing can be found in them: `--history` reads what they hold.
_GIT_OBJECTS: Final = (".git", "objects")
_LISTED: Final = ("--cached", "--others", "--exclude-standard")
_IGNORED: Final = ("--others", "--ignored", "--exclude-standard", "--directory")
#: What git calls the folder itself, where it belongs to a submodule that isn't there.
_ITSELF: Final = "./"


class Files:
    """The plain files below folders; links are not followed, what they lead to is elsewhere. With
    `everything` also those that git ignores; otherwise these are in `left_out`, as far as one has
    got. A path that is named is looked into even where git ignores it.
    """

    def __init__(self, *, everything: bool) -> None:
        self._git = None if everything else find_git(os.environ)
        self.left_out: list[str] = []

    def below(self, path: Path) -> Iterator[Path]:
        """The files of a folder, or the file itself."""
        if not path.is_dir():
            yield path
            return
        listed = self._told(path) if self._is_seen_by_git(path) else None
        if listed is None:
            yield from _walked(path)
            return
        self.left_out += [str(path / name) for name in self._listed(path, *_IGNORED) or ()]
        for inner in (path / name for name in listed if _is_below(path, name)):
            if inner.is_dir() and not inner.is_symlink():  # a repository of its own
                yield from self.below(inner)
            elif os.path.lexists(inner):
                yield inner
        if (path / ".git").is_dir():  # addresses with passwords stand there
            yield from _walked(path / ".git")

    def _is_seen_by_git(self, path: Path) -> bool:
        """Whether git looks at this very folder, and doesn't ignore it: a repository can name any
        other folder as its work tree.
        """
        tree = self._said(path, "rev-parse", "--show-toplevel")
        if tree is None:
            return False
        top = Path(os.fsdecode(tree.removesuffix(b"\n")))
        is_ignored = self._said(path, "check-ignore", "-q", ".") is not None
        return path.resolve().is_relative_to(top) and not is_ignored

    def _told(self, path: Path) -> list[str] | None:
        names = self._listed(path, *_LISTED)
        return None if names is None or _ITSELF in names else names

    def _listed(self, path: Path, *options: str) -> list[str] | None:
        """What git lists below a folder, or None where it can't tell: no work tree, no git."""
        said = self._said(path, "ls-files", "-z", *options)
        if said is None:
            return None
        return [os.fsdecode(name) for name in dict.fromkeys(said.split(b"\0")) if name]

    def _said(self, path: Path, *words: str) -> bytes | None:
        return None if self._git is None else self._git.said(path, *words)


def _is_below(folder: Path, name: str) -> bool:
    """Whether a name that an index has, which may be anything, leads nowhere else."""
    parts = Path(name).parts
    if not parts or ".." in parts:
        return False
    return (folder / name).parent.resolve().is_relative_to(folder.resolve())


def _walked(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if (here / name).parts[-2:] != _GIT_OBJECTS)
        for name in sorted(names):
            yield here / name
