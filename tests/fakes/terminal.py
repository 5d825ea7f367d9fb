"""A command on a terminal of its own, and a person in front of it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

DEADLINE_S = 30.0
_PIECE = 4096
#: How the size and the line ends of a terminal show.
_PLAIN = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")


class Terminal:
    """Runs a command; what it shows is kept in `shown`, without colours.

    A context manager: a command that still runs at the end is killed.
    """

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.shown = ""
        self._seen = 0
        self._code: int | None = None
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(command[0], list(command), dict(env))  # noqa: S606

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def sees(self, text: str) -> None:
        """Wait until the text is shown, behind what was seen before."""
        deadline = time.monotonic() + DEADLINE_S
        while (at := self.shown.find(text, self._seen)) < 0:
            assert self._read(deadline), f"{text!r} is not in:\n{self.shown[self._seen :]}"
        self._seen = at + len(text)

    def answers(self, question: str, answer: str = "") -> None:
        """Wait for a question, and type a line."""
        self.sees(question)
        self.types(f"{answer}\n")

    def types(self, keys: str) -> None:
        """Press keys; "\\x03" is Ctrl-C, "\\x04" the end of the input."""
        os.write(self._terminal, keys.encode())

    def code(self) -> int:
        """Wait for its end; its exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while self._read(deadline):
            pass
        self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code

    def _read(self, deadline: float) -> bool:
        """Whether there was more."""
        ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"nothing more in {DEADLINE_S} s:\n{self.shown}"
        data = b""
        with suppress(OSError):  # Linux: the other side is closed
            data = os.read(self._terminal, _PIECE)
        self.shown += _PLAIN.sub("", data.decode(errors="replace"))
        return bool(data)
