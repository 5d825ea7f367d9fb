"""On a terminal the value is asked for, once and unseen, and is not shown without being asked."""

from __future__ import annotations

import os
import pty
import time

from tests.e2e.keychain.conftest import COMMAND, Desktop


def on_terminal(desktop: Desktop, *arguments: str, typed: bytes = b"") -> tuple[int, bytes]:
    """Exit code and everything that the terminal showed; `typed` is entered at the prompt."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(desktop.folder)
        os.execve(COMMAND[0], [*COMMAND, "secret", *arguments], desktop.env)  # noqa: S606
    shown = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # Linux: the other side is closed
            break
        if typed and shown.endswith(b": "):
            os.write(terminal, typed)
            typed = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_a_typed_value_is_asked_once_and_not_shown(desktop: Desktop) -> None:
    code, shown = on_terminal(desktop, "set", "planner-token", typed=b"canary\n")
    assert code == 0
    assert shown.count(b"value of acme/planner-token: ") == 1
    assert b"canary" not in shown
    assert desktop.secret("get", "planner-token").stdout == b"canary"


def test_a_value_is_shown_on_a_terminal_only_when_asked_for(desktop: Desktop) -> None:
    desktop.secret("set", "planner-token", value=b"canary")
    code, shown = on_terminal(desktop, "get", "planner-token")
    assert code == 2
    assert b"canary" not in shown
    assert b"--show" in shown
    assert on_terminal(desktop, "get", "planner-token", "--show") == (0, b"canary\r\n")
