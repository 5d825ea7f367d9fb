"""What opens a vault, from a person or a file descriptor: never from arguments or the environment.

In this order: `--passphrase-fd N`; the systemd credential `devwiz-gw-vault`, where the service has
one; the terminal, without echo, even if standard input is something else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from gateway.cli.parsers import UsageError
from gateway.cli.typed import typed_unseen
from identity.secret_stores.base import Secret

#: What the credential is called in the service's `LoadCredential=`.
CREDENTIAL: Final = "devwiz-gw-vault"
_MAX_BYTES: Final = 4096
# Spellings that people try: they must not reach argparse's own error, which repeats the value.
_VALUE_OPTIONS: Final = ("-p", "--passphrase", "--password", "--code")


def add_passphrase_options(parser: argparse.ArgumentParser, *, new: bool = False) -> None:
    """Add `--passphrase-fd`, and `--new-passphrase-fd` where a new one is set as well."""
    parser.add_argument(
        "--passphrase-fd",
        type=int,
        metavar="N",
        help="read the passphrase, or the recovery code, from this file descriptor "
        f"(default: the systemd credential {CREDENTIAL}, or the terminal)",
    )
    if new:
        parser.add_argument(
            "--new-passphrase-fd",
            type=int,
            metavar="N",
            help="read the new passphrase from this file descriptor (default: the terminal)",
        )
    parser.add_argument(*_VALUE_OPTIONS, dest="as_option", nargs="?", help=argparse.SUPPRESS)


def refuse_values(args: argparse.Namespace) -> None:
    """Raises `UsageError` when a passphrase was given as an argument."""
    if args.as_option is not None:
        raise UsageError(
            "a passphrase is not taken from the command line",
            hint="other processes and the shell's history can read it there, so it should be "
            "replaced; give it at the prompt or with --passphrase-fd",
        )


class Answers:
    """What a command is told about the vault as it is."""

    def __init__(self, args: argparse.Namespace, env: Mapping[str, str]) -> None:
        self._fd: int | None = args.passphrase_fd
        self._credentials = env.get("CREDENTIALS_DIRECTORY", "")
        self._read: Secret | None = None

    def passphrase(self) -> Secret:
        """The passphrase; it is asked for once."""
        return self._once("passphrase of the vault: ")

    def recovery_code(self) -> Secret:
        """The recovery code; it is asked for once."""
        return self._once("recovery code: ")

    @property
    def are_typed(self) -> bool:
        """Whether a person at a terminal is asked."""
        return self._fd is None and self._credential() is None

    def _once(self, prompt: str) -> Secret:
        if self._read is None:
            self._read = self._given() or ask(prompt)
        return self._read

    def _given(self) -> Secret | None:
        if self._fd is not None:
            return read_fd(self._fd)
        credential = self._credential()
        if credential is None:
            return None
        with contextlib.closing(_Descriptor(credential)) as file:
            return read_fd(file.fd)

    def _credential(self) -> Path | None:
        folder = Path(self._credentials)
        path = folder / CREDENTIAL
        return path if folder.is_absolute() and path.is_file() else None


class NewAnswers:
    """What a command is told about a slot that it makes."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def passphrase(self) -> Secret:
        """A new passphrase; at a terminal it is typed twice."""
        if self._fd is not None:
            return read_fd(self._fd)
        first = ask("new passphrase: ")
        if ask("once more: ").reveal() != first.reveal():
            raise UsageError("the two passphrases differ", hint="nothing was changed; begin again")
        return first

    def recovery_code(self) -> Secret:
        """The code that was just shown, as proof that it was written down."""
        return ask("type it once, as you have written it down: ")

    def show_code(
        self, code: str, use: str = "opens the vault when every other way is lost"
    ) -> None:
        """Show a recovery code, on the terminal and nowhere else, for the only time."""
        with _terminal() as terminal:
            terminal.write(
                f"The recovery code {use}. It is shown this once:\n\n    {code}\n\n"
                "Keep it on paper, away from this machine.\n"
            )


def has_terminal() -> bool:
    """Whether there is a terminal to ask at."""
    try:
        _terminal().close()
    except UsageError:
        return False
    return True


def ask(prompt: str) -> Secret:
    """What is typed at the terminal, unseen. Raises `UsageError` where there is none."""
    with _terminal() as terminal:
        return typed_unseen(prompt, terminal)


def read_fd(fd: int) -> Secret:
    """The text that a file descriptor gives, without the one line ending at its end."""
    try:
        with os.fdopen(os.dup(fd), "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"file descriptor {fd} can't be read: {(error.strerror or str(error)).lower()}",
            hint="open it in the shell, for instance with '3< FILE'",
        ) from error
    with contextlib.suppress(UnicodeDecodeError):
        text = data.decode().removesuffix("\n").removesuffix("\r")
        if text and len(data) <= _MAX_BYTES:
            return Secret(text)
    raise UsageError(
        f"file descriptor {fd} gives no passphrase", hint="one line of at most 4096 bytes of UTF-8"
    )


class _Descriptor:
    def __init__(self, path: Path) -> None:
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(
                f"the systemd credential {CREDENTIAL} can't be read: {error.strerror}"
            ) from error

    def close(self) -> None:
        os.close(self.fd)


def _terminal() -> TextIO:
    try:
        return Path("/dev/tty").open("w", encoding="utf-8")
    except OSError:
        raise UsageError(
            "there is no terminal to ask at",
            hint="give the passphrase with --passphrase-fd N, or as the systemd credential "
            f"{CREDENTIAL}",
        ) from None
