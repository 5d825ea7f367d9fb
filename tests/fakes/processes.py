"""What a process has started (Linux)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """Of a process: its children, and theirs."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def children(pid: int) -> list[int]:
    """Of a process, as far as they are still there."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # or that thread of it
                found += map(int, (task / "children").read_text().split())
    return found


def kill_children() -> None:
    """End all that this process has started, and what those have."""
    for pid in list(descendants(os.getpid())):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
