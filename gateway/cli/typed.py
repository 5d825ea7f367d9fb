"""Secrets that a person types, or a program gives by a descriptor: never the command line."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from gateway.cli.parsers import UsageError
from identity.errors import InvalidSecretValue
from identity.secret_stores.base import MAX_VALUE_BYTES, Secret


def read_secret(prompt: str, *, from_fd: int | None = None) -> Secret:
    """A value from a file descriptor; else asked for on a terminal, unseen, or read from standard
    input. The one line ending at its end is left out.

    Raises:
        UsageError: the descriptor can't be read, or nothing was typed.
        InvalidSecretValue: it gives no text.
    """
    if from_fd is None and sys.stdin.isatty():
        return typed_unseen(prompt)
    fd = sys.stdin.fileno() if from_fd is None else from_fd
    try:
        # One byte more than is kept, and a line ending, show that a value is too long.
        with os.fdopen(os.dup(fd), "rb") as file:
            data = file.read(MAX_VALUE_BYTES + 3)
    except OSError as error:
        raise UsageError(
            f"file descriptor {fd} can't be read: {(error.strerror or str(error)).lower()}",
            hint="open it in the shell, for instance with '3< FILE'",
        ) from error
    return Secret(_text(data))


def typed_unseen(prompt: str, shown_at: TextIO | None = None) -> Secret:
    """A line that is typed at the terminal, which doesn't show it.

    Raises:
        UsageError: nothing was typed, or no text.
    """
    from getpass import getpass

    try:
        return Secret(getpass(prompt, stream=shown_at))
    except EOFError:
        raise UsageError("nothing was typed", hint="nothing was changed") from None
    except UnicodeDecodeError:
        # Not chained: the error holds what was typed.
        raise UsageError(
            "what was typed is not UTF-8 text", hint="is the terminal set to another encoding?"
        ) from None


def _text(data: bytes) -> str:
    """`data` without the one line ending that editors and `echo` add."""
    for ending in (b"\r\n", b"\n"):
        if data.endswith(ending):
            data = data.removesuffix(ending)
            break
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode()
    raise InvalidSecretValue(
        "the value is not UTF-8 text", hint="binary values are kept encoded, say as base64"
    )
