"""The files of a journal: the one that is written, and those that were full."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.audit.event import digest

CURRENT: Final = "audit.jsonl"
#: A full file is named by the number of its first line.
_FULL: Final = re.compile(r"audit-(\d{12,})\.jsonl")
_CHUNK: Final = 1 << 20
_CHUNK_BACK: Final = 1 << 16


def journal_path(project: str, env: Mapping[str, str]) -> Path:
    """Where a project's journal is: `$XDG_STATE_HOME/devwiz-gw/<project>/audit.jsonl`."""
    return state_folder(project, env) / CURRENT


def state_folder(project: str, env: Mapping[str, str]) -> Path:
    """Where a project's state is: `$XDG_STATE_HOME/devwiz-gw/<project>`."""
    return user_state_folder(env) / project


def user_state_folder(env: Mapping[str, str]) -> Path:
    """Where a user's state is: `$XDG_STATE_HOME/devwiz-gw`. Beside projects, whose names begin with
    a letter or digit, it has folders that begin with a dot.
    """
    state = env.get("XDG_STATE_HOME", "")
    home = Path(env.get("HOME") or Path.home())
    # The XDG specification says that a relative value is to be ignored.
    base = Path(state) if Path(state).is_absolute() else home / ".local" / "state"
    return base / "devwiz-gw"


def full_name(first: int) -> str:
    """The name of a full file whose first line has this number."""
    return f"audit-{first:012d}.jsonl"


def full_files(current: Path) -> list[Path]:
    """Files that were full, the oldest first."""
    try:
        found = [path for path in current.parent.iterdir() if _FULL.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=first_of)


def first_of(path: Path) -> int:
    """The number of a full file's first line."""
    match = _FULL.fullmatch(path.name)
    return int(match[1]) if match else 0


def all_files(current: Path) -> list[Path]:
    """All that there are, the oldest first."""
    return [*full_files(current), *([current] if current.exists() else [])]


def has_line(current: Path, head: str) -> bool:
    """Whether a line with this hash is in one of the files. It is looked for from the end."""
    for path in reversed(all_files(current)):
        with path.open("rb") as file:
            lines = lines_back(file.fileno(), file.seek(0, os.SEEK_END))
            if any(digest(line) == head for line in lines):
                return True
    return False


def lines_back(fd: int, end: int) -> Iterator[bytes]:
    """The lines of an open file before the offset `end`, the last one first, without their
    newlines. First of all comes what is behind the last newline: nothing, if the lines are whole.
    """
    parts: list[bytes] = []  # of a line, which may be as long as somebody liked; the last first
    while end:
        begin = max(0, end - _CHUNK_BACK)
        start, *lines = os.pread(fd, end - begin, begin).split(b"\n")
        end = begin
        if lines:
            parts.append(lines.pop())
            yield b"".join(reversed(parts))
            yield from reversed(lines)
            parts = []
        parts.append(start)
    yield b"".join(reversed(parts))


def lines_of(path: Path) -> Iterator[bytes]:
    """A file's lines without their newlines; the last may be an unfinished one."""
    parts: list[bytes] = []  # of a line, which may be as long as somebody liked
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            end, *lines = chunk.split(b"\n")
            parts.append(end)
            if lines:
                yield b"".join(parts)
                *whole, last = lines
                yield from whole
                parts = [last]
    if rest := b"".join(parts):
        yield rest
