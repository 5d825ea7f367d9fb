"""The person at the terminal, for a security key."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from gateway.cli import output
from gateway.cli.parsers import UsageError
from gateway.cli.vault_answers import ask
from identity.errors import TouchDenied
from identity.secret_stores.base import Secret


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Add `--uv`: the mode that a new security key is pinned to."""
    parser.add_argument(
        "--uv",
        choices=("required", "discouraged"),
        help="of a security key: whether it verifies the person, by PIN or finger, at each touch; "
        "pinned for good (default: required if it is set up for that)",
    )


def wanted_mode(args: argparse.Namespace) -> bool | None:
    """What `--uv` says; None where nothing is said, or there is no such option."""
    mode = getattr(args, "uv", None)
    return None if mode is None else bool(mode == "required")


class AtTerminal:
    """A `Person` at the controlling terminal, which a command without one can't fake."""

    def __init__(self, shown: Sequence[str] = ()) -> None:
        """`shown` are the lines that say what a touch approves.

        Raises:
            TouchDenied: there is no terminal.
        """
        self._write("".join(f"{output.printable(line)}\n" for line in shown))

    def touch(self) -> None:
        """See `Person.touch`."""
        self._write("touch your security key\n")

    def pin(self) -> Secret:
        """See `Person.pin`."""
        try:
            return ask("PIN of the security key: ")
        except UsageError:
            return Secret("")

    def pause(self, text: str) -> None:
        """Wait until the person has pressed Enter."""
        try:
            ask(text)
        except UsageError as error:
            raise TouchDenied(str(error), hint=error.hint) from None

    def _write(self, text: str) -> None:
        sys.stderr.flush()
        try:
            terminal = os.open("/dev/tty", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            raise TouchDenied(
                "there is no terminal to show what a touch approves",
                hint="run it in a terminal",
            ) from None
        try:
            os.write(terminal, text.encode())
        finally:
            os.close(terminal)
