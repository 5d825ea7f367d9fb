"""Runs the program that steers a service manager: `systemctl`, `launchctl`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import Final

from gateway.errors import GatewayError

_VERSION: Final = re.compile(r"systemd (\d+)", re.ASCII)
#: A stop may take as long as the service's own end.
_TIMEOUT_S: Final = 3600.0
#: CLONE_NEWUSER and CLONE_NEWNS of <linux/sched.h>, together: some systems allow the first alone.
_PROBE: Final = "import ctypes; raise SystemExit(bool(ctypes.CDLL(None).unshare(0x10020000)))"


class ManagerProgram:
    """Such a program, with what stands in front of every command of it."""

    def __init__(self, *command: str) -> None:
        self._command = command

    def __call__(self, *arguments: str) -> str:
        """What it prints. Raises `GatewayError` with what it says when it fails."""
        code, out, said = self.ask(*arguments)
        if code:
            raise GatewayError(
                f"{' '.join((*self._command, *arguments))} failed: {said or f'code {code}'}",
                hint=_hint(said),
            )
        return out

    def ask(self, *arguments: str) -> tuple[int, str, str]:
        """Its exit code, output and error output. Raises `GatewayError` where it is missing."""
        program = shutil.which(self._command[0])
        if program is None:
            raise GatewayError(
                f"{self._command[0]} is not here, so this machine has another service manager",
                hint="`devwiz-gw service print` shows what could be translated for that one",
            )
        done = subprocess.run(  # noqa: S603 - a program of the system's
            [program, *self._command[1:], *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        return done.returncode, done.stdout, done.stderr.strip()


def systemctl(*, is_system: bool) -> ManagerProgram:
    """That of the machine, or of the user."""
    return ManagerProgram("systemctl", *(() if is_system else ("--user",)))


def systemd_version() -> int:
    """Of the systemd here; 0 where there is none."""
    try:
        found = _VERSION.match(ManagerProgram("systemctl").ask("--version")[1])
    except GatewayError:
        return 0
    return int(found[1]) if found else 0


def has_namespaces() -> bool:
    """Whether a user without privileges may have namespaces of its own here."""
    if sys.platform != "linux":
        return False
    tried = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-I", "-c", _PROBE], check=False, capture_output=True
    )
    return tried.returncode == 0


def _hint(said: str) -> str:
    if "connect to bus" in said:
        return (
            "the user's service manager runs in a session of the user: log in as that user, not by "
            "`su` or `sudo`, or see `loginctl enable-linger`"
        )
    return ""
