"""Tokens that a program prints, such as a cloud's command line tool."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import MAX_VALUE_BYTES, Secret
from identity.token_sources.base import Token

#: What a helper finds of this process's environment, beside what the configuration passes on.
PASSED: Final = ("HOME", "LANG", "LOGNAME", "PATH", "USER", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")
_KILL_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is run: an absolute path and its arguments, without a shell."""

    command: Sequence[str]
    env: Mapping[str, str]
    timeout_s: float


class ExecHelper:
    """A `TokenSource` over a program's standard output: a token and nothing else, or a JSON object
    with `token` and, where it has an end, `expires_at` (RFC 3339).

    Its error output is not read: nobody knows what is in it. A program that is too slow is ended
    with all that it has started.

    Args:
        ask_again_s: how soon it is run again where it tells no end.
    """

    def __init__(self, program: Program, *, ask_again_s: float) -> None:
        self._program = program
        self._ask_again_s = ask_again_s

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`."""
        path = self._program.command[0]
        await asyncio.to_thread(_check, Path(path))
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=self._program.env,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise TokenDenied(f"{path} can't be run: {(error.strerror or '').lower()}") from error
        try:
            async with asyncio.timeout(self._program.timeout_s):
                printed = await _bounded(process, path)
                code = await process.wait()
        except TimeoutError as error:
            raise TokenUnavailable(
                f"{path} didn't finish in {self._program.timeout_s:g} s",
                hint="does it wait for somebody to sign in?",
            ) from error
        finally:
            await _end(process)
        if code != 0:
            raise TokenUnavailable(
                f"{path} failed with exit code {code}", hint="run it by hand to see why"
            )
        return self._read(printed)

    async def close(self) -> None:
        """Nothing is left running between two calls."""

    def _read(self, printed: bytes) -> Token:
        path = self._program.command[0]
        text, expires_at = printed.decode("ascii", "replace").strip(), None
        if text.startswith("{"):
            told = _object(text)
            text = str(told.get("token") or "")
            expires_at = _time(told["expires_at"], path) if "expires_at" in told else None
        if len(text.split()) != 1:
            raise TokenDenied(
                f"{path} printed no token",
                hint='it should print a token and nothing else, or {"token": …, "expires_at": …}',
            )
        again_s = self._ask_again_s if expires_at is None else None
        return Token(value=Secret(text), expires_at=expires_at, ask_again_s=again_s)


def _check(path: Path) -> None:
    """Refuse a program that others could have put there."""
    try:
        facts = path.stat()
    except OSError as error:
        raise TokenDenied(f"{path} can't be run: {(error.strerror or '').lower()}") from error
    if facts.st_mode & 0o022 or facts.st_uid not in {0, os.geteuid()}:
        raise TokenDenied(
            f"others than its owner may write to {path}, or it is another user's",
            hint=f"chmod go-w {path}",
        )


async def _bounded(process: asyncio.subprocess.Process, path: str) -> bytes:
    printed = bytearray()
    if process.stdout is not None:
        while chunk := await process.stdout.read(16 * 1024):
            printed += chunk
            if len(printed) > MAX_VALUE_BYTES:
                raise TokenDenied(
                    f"{path} printed more than {MAX_VALUE_BYTES} bytes", hint="is it the right one?"
                )
    return bytes(printed)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the helper and what it left running in its session, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    ending = asyncio.ensure_future(process.wait())
    await asyncio.wait({ending}, timeout=_KILL_AFTER_S)
    ending.cancel()


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _time(text: object, path: str) -> datetime:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise TokenDenied(f"expires_at of {path} is not a time", hint="write it as RFC 3339 has it")
    return time.astimezone(UTC)
