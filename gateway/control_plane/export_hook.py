"""What is done after an identity was written to a folder: a program run, a daemon told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError

#: How long a program may take.
DEADLINE_S: Final = 30.0
_MOST_PID_BYTES: Final = 32
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class HookFailed(GatewayError):
    """The files are in place; who uses them wasn't told."""

    remedy = "the files are written: tell the program by hand, and correct exec, signal or pid_file"


def hook_environment(folder: Path, spiffe_id: str, serial: str, identity: str) -> dict[str, str]:
    """What a program is told of what was exported."""
    return {
        "DEVWIZ_GW_EXPORT_DIR": str(folder),
        "DEVWIZ_GW_IDENTITY": identity,
        "DEVWIZ_GW_SPIFFE_ID": spiffe_id,
        "DEVWIZ_GW_SERIAL": serial,
    }


async def run_command(
    command: Sequence[str], more: Mapping[str, str], *, deadline_s: float = DEADLINE_S
) -> None:
    """Run a program, without a shell, with our environment and `more`; what it prints is dropped.

    Raises:
        HookFailed: it can't be started, failed, or was killed because it took too long.
    """
    name = command[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **more},
            start_new_session=True,
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HookFailed(
            f"{name} can't be run: {reason}", hint="does the program exist, for this user?"
        ) from error
    try:
        async with asyncio.timeout(deadline_s):
            code = await process.wait()
    except TimeoutError:
        raise HookFailed(f"{name} took over {deadline_s:g} s and was killed") from None
    finally:
        await _end(process)
    if code:
        raise HookFailed(f"{name} failed with exit code {code}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it with what it started, should it still run."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def send_signal(name: str, pid_file: Path) -> None:
    """Send the signal `name` ("HUP") to the process whose number is in `pid_file`. Blocks.

    Raises:
        HookFailed: the file isn't a daemon's, or the process isn't there.
    """
    try:
        pid = _pid_in(pid_file)
        os.kill(pid, signal.Signals[f"SIG{name}"])
    except (ProcessLookupError, FileNotFoundError):
        raise HookFailed(
            f"nobody to send SIG{name} to: {pid_file} names no process that runs",
            hint="it reads the new files when it starts",
        ) from None
    except OSError as error:
        raise HookFailed(
            f"SIG{name} can't be sent by {pid_file}: {(error.strerror or str(error)).lower()}"
        ) from error


def _pid_in(path: Path) -> int:
    with open(path, "rb", opener=lambda text, _: os.open(text, _READ)) as file:
        facts = os.fstat(file.fileno())
        text = file.read(_MOST_PID_BYTES) if stat.S_ISREG(facts.st_mode) else b""
    if facts.st_mode & stat.S_IWOTH:
        raise HookFailed(f"everybody may write to {path}", hint=f"chmod o-w {path}")
    number = text.split()[0] if text.split() else b""
    # 0 and negative numbers are groups of processes, 1 is the machine's own.
    if not number.isdigit() or int(number) < 2:
        raise HookFailed(f"{path} holds no process number")
    return int(number)
