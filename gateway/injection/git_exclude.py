"""Keeping a file out of a repository without touching what its people share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import GatewayError


class Tracked(GatewayError):
    """The file is in the repository."""


def keep_out(path: Path, env: Mapping[str, str]) -> None:
    """Add the file to `.git/info/exclude`, unless it is ignored already or there is no repository.

    Raises:
        Tracked: it is one of the repository's files, which no exclusion hides.
    """
    git = shutil.which("git", path=env.get("PATH"))
    if git is None:
        return
    clean = {name: value for name, value in env.items() if not name.startswith("GIT_")}

    def ask(*words: str) -> str | None:
        command = (git, "-C", str(path.parent), *words)
        done = subprocess.run(  # noqa: S603 - git, as found in PATH
            command, env=clean, capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout.removesuffix("\n") if done.returncode == 0 else None

    if ask("rev-parse", "--is-inside-work-tree") != "true":
        return
    if ask("ls-files", "--error-unmatch", "--", path.name) is not None:
        raise Tracked(
            f"git has {path} among its files, so what is in it would be committed",
            hint=f"git rm --cached {path.name}, or leave --literal out",
        )
    if ask("check-ignore", "--quiet", "--", path.name) is not None:
        return
    exclude = ask("rev-parse", "--git-path", "info/exclude")
    prefix = ask("rev-parse", "--show-prefix")
    if exclude is not None and prefix is not None:
        _append(path.parent / exclude, f"/{_literally(prefix)}{path.name}")


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(exist_ok=True)
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "r+b", buffering=0) as raw:
        text = raw.read() or b""
        start = b"\n" if text and not text.endswith(b"\n") else b""
        raw.write(start + os.fsencode(line) + b"\n")


def _literally(text: str) -> str:
    """As a pattern of gitignore(5) that means just this text."""
    return "".join(f"\\{char}" if char in "*?[]\\ " else char for char in text)
