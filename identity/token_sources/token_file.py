"""Tokens in a file that somebody else writes: a projected Kubernetes token, a login tool's."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

from identity.errors import TokenDenied, TokenUnavailable
from identity.secret_stores.base import MAX_VALUE_BYTES, Secret
from identity.token_sources.base import Token
from identity.token_sources.jwt_end import end_of

#: How often the file is looked at.
INTERVAL_S: Final = 2.0


class TokenFile:
    """A `TokenSource` over a file that nobody but its owner, and a group of this process, can read.

    The end is read from a token that is a JWT, and isn't known of others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`."""
        text = await asyncio.to_thread(self._read)
        return Token(value=Secret(text), expires_at=end_of(text), ask_again_s=INTERVAL_S)

    async def close(self) -> None:
        """Nothing is held open."""

    # In a thread

    def _read(self) -> str:
        try:
            with open(self._path, "rb", opener=_open_at_once) as file:
                self._check(os.fstat(file.fileno()))
                data = file.read(MAX_VALUE_BYTES + 1)
        except FileNotFoundError as error:
            raise TokenUnavailable(
                f"{self._path} doesn't exist",
                hint="it is taken in as soon as somebody writes it",
                retry_after_s=INTERVAL_S,
            ) from error
        except OSError as error:
            raise TokenDenied(
                f"{self._path} can't be read: {(error.strerror or '').lower()}",
                hint="give the gateway's user the right to read it",
                retry_after_s=INTERVAL_S,
            ) from error
        text = data.decode("ascii", "replace").strip()
        if not text or len(data) > MAX_VALUE_BYTES or len(text.split()) != 1:
            raise TokenUnavailable(
                f"{self._path} holds no token",
                hint="one token and nothing else is expected",
                retry_after_s=INTERVAL_S,
            )
        return text

    def _check(self, facts: os.stat_result) -> None:
        if not stat.S_ISREG(facts.st_mode):
            problem, hint = "is not a regular file", ""
        elif facts.st_mode & _forbidden(facts.st_gid):
            problem, hint = "can be used by others than its owner", f"chmod 600 {self._path}"
        elif facts.st_uid not in {0, os.geteuid()}:
            problem, hint = "belongs to another user", "chown it to the user of the gateway"
        else:
            return
        raise TokenDenied(f"{self._path} {problem}", hint=hint, retry_after_s=INTERVAL_S)


def _forbidden(group: int) -> int:
    """What others may not do; a group of ours may read, as Kubernetes' fsGroup has it."""
    forbidden = stat.S_IRWXG | stat.S_IRWXO
    if group in {os.getegid(), *os.getgroups()}:
        return forbidden & ~stat.S_IRGRP
    return forbidden


def _open_at_once(path: str, flags: int) -> int:
    # A named pipe must not hang the thread that opens it; what was opened is checked to be a file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
