"""Programs of the person's choice that are run for what they print: bounded in time and size, and
never one that somebody else could have put there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import MAX_VALUE_BYTES

#: What a helper finds of this process's environment, beside what the configuration passes on.
PASSED: Final = ("HOME", "LANG", "LOGNAME", "PATH", "USER", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")
_KILL_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is run: a path and its arguments, without a shell.

    Attributes:
        command: a name without a folder is looked for on the `PATH` of `env`.
        folder: where it starts; None for where this process is.
        most_bytes: what it may print.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    timeout_s: float
    folder: Path | None = Path("/")
    most_bytes: int = MAX_VALUE_BYTES


async def output_of(program: Program, said: bytes | None = None) -> bytes:
    """What the program prints when it is given `said` as its input, or none. Its error output is
    not read: nobody knows what is in it. One that is too slow is ended with all that it started.

    Raises:
        TokenDenied: it can't be run, or others could have put it there; it printed too much.
        TokenUnavailable: it failed, or was too slow.
    """
    path = await asyncio.to_thread(_checked, program)
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *program.command[1:],
            stdin=asyncio.subprocess.DEVNULL if said is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=program.env,
            cwd=program.folder,
            start_new_session=True,
        )
    except OSError as error:
        raise TokenDenied(f"{path} can't be run: {(error.strerror or '').lower()}") from error
    try:
        async with asyncio.timeout(program.timeout_s), asyncio.TaskGroup() as tasks:
            if said is not None:
                tasks.create_task(_say(process, said))
            printed = await _bounded(process, path, program.most_bytes)
            code = await process.wait()
    except TimeoutError as error:
        raise TokenUnavailable(
            f"{path} didn't finish in {program.timeout_s:g} s",
            hint="does it wait for somebody to sign in?",
        ) from error
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        await _end(process)
    if code != 0:
        raise TokenUnavailable(
            f"{path} failed with exit code {code}", hint="run it by hand to see why"
        )
    return printed


async def _say(process: asyncio.subprocess.Process, said: bytes) -> None:
    """A program that doesn't want to hear it may say what it has to without it."""
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(said)
        await process.stdin.drain()
    process.stdin.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await process.stdin.wait_closed()


def _checked(program: Program) -> str:
    """Where the program is. Refuses one that others could have put there."""
    name = program.command[0]
    path = name if "/" in name else shutil.which(name, path=program.env.get("PATH"))
    if path is None:
        raise TokenDenied(f"{name} can't be run: it is in no folder of the PATH")
    try:
        facts = Path(path).stat()
        folder = _open_folder(Path(path))
    except OSError as error:
        raise TokenDenied(f"{path} can't be run: {(error.strerror or '').lower()}") from error
    if facts.st_mode & 0o022 or facts.st_uid not in {0, os.geteuid()}:
        raise TokenDenied(
            f"others than its owner may write to {path}, or it is another user's",
            hint=f"chmod go-w {path}",
        )
    if folder is not None:
        raise TokenDenied(
            f"others may put another program in the place of {path}: they may write to {folder}",
            hint=f"chmod o-w {folder}, or move the program to a folder of its own",
        )
    return path


def _open_folder(path: Path) -> Path | None:
    """A folder on the way to a program in which others can put something else, on both sides of a
    link. In a sticky one, such as /tmp, they can't replace what is this user's or root's.
    """
    own = {0, os.geteuid()}
    for entry in {path.absolute(), path.resolve()}:
        for inner, folder in pairwise((entry, *entry.parents)):
            facts = folder.stat()
            is_kept = facts.st_mode & stat.S_ISVTX and inner.lstat().st_uid in own
            if facts.st_uid not in own or (facts.st_mode & stat.S_IWOTH and not is_kept):
                return folder
    return None


async def _bounded(process: asyncio.subprocess.Process, path: str, most: int) -> bytes:
    printed = bytearray()
    if process.stdout is not None:
        while chunk := await process.stdout.read(16 * 1024):
            printed += chunk
            if len(printed) > most:
                raise TokenDenied(
                    f"{path} printed more than {most} bytes", hint="is it the right one?"
                )
    return bytes(printed)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the helper and what it left running in its session, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    ending = asyncio.ensure_future(process.wait())
    await asyncio.wait({ending}, timeout=_KILL_AFTER_S)
    ending.cancel()
