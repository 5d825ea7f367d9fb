"""Tokens that a program prints, such as a cloud's command line tool."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from identity.errors import TokenDenied
from identity.program import Program, output_of
from identity.secret_stores.base import Secret
from identity.strict_json import strict_value
from identity.token_sources.base import Token


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
        return self._read(await output_of(self._program))

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


def _object(text: str) -> dict[str, Any]:
    try:
        value = strict_value(text)
    except ValueError:
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
