"""Keeping a file out of a repository without touching what its people share."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError
from gateway.git import find_git

#: Who made the repository may have put a link there, say to a file that a shell reads.
_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class NotKeptOut(GatewayError):
    """The file is, or would get, among the repository's."""


def keep_out(path: Path, env: Mapping[str, str]) -> None:
    """Add the file to `.git/info/exclude`, unless it is ignored already or there is no repository.

    Raises:
        NotKeptOut: it is one of the repository's files, which no exclusion hides; or nothing can be
            excluded there.
    """
    git = find_git(env)
    if git is None:
        return

    def ask(*words: str) -> str | None:
        said = git.said(path.parent, *words)
        return None if said is None else os.fsdecode(said.removesuffix(b"\n"))

    if ask("rev-parse", "--is-inside-work-tree") != "true":
        return
    if ask("ls-files", "--error-unmatch", "--", path.name) is not None:
        raise NotKeptOut(
            f"git has {path} among its files, so what is in it would be committed",
            hint=f"git rm --cached {path.name}, or leave --literal out",
        )
    if ask("check-ignore", "--quiet", "--", path.name) is not None:
        return
    exclude = ask("rev-parse", "--git-path", "info/exclude")
    prefix = ask("rev-parse", "--show-prefix")
    if exclude is not None and prefix is not None:
        if "\n" in prefix:
            raise NotKeptOut(
                f"git can't be told to leave {path} out: a folder's name has several lines",
                hint="rename the folder",
            )
        _append(path.parent / exclude, f"/{_literally(prefix)}{path.name}")


def _append(file: Path, line: str) -> None:
    try:
        file.parent.mkdir(exist_ok=True)
        fd = os.open(file, _OPEN, 0o644)
    except OSError as error:
        raise _unwritable(file, (error.strerror or "").lower()) from error
    with os.fdopen(fd, "r+b", buffering=0) as raw:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _unwritable(file, "it is not a plain file")
        text = raw.read() or b""
        start = b"\n" if text and not text.endswith(b"\n") else b""
        raw.write(start + os.fsencode(line) + b"\n")


def _unwritable(file: Path, why: str) -> NotKeptOut:
    return NotKeptOut(
        f"git can't be told to leave a file out, for {file} can't be written: {why}",
        hint="put a plain file there, or ignore .envrc by yourself",
    )


def _literally(text: str) -> str:
    """As a pattern of gitignore(5) that means just this text."""
    return "".join(f"\\{char}" if char in "*?[]\\ " else char for char in text)
