"""Asking the person at the terminal, when the one who asks for values is an agent."""

from __future__ import annotations

import os
import select
import sys
import termios
from contextlib import suppress
from typing import Final

from gateway.cli import output
from gateway.errors import GatewayError

_PATIENCE_S: Final = 60.0


class AgentRefused(GatewayError):
    """An agent may not have values without a person's word."""


def approve_for_agent(agent: str, what: str) -> None:
    """Let a command go on that gives out values to an agent, if the person at its terminal says
    yes.

    Raises:
        AgentRefused: nobody said yes.
    """
    if not _says_yes(f"{agent} asks for {what}. Give it?"):
        raise AgentRefused(
            f"{agent} asks for {what}, and nobody at the terminal allowed it",
            hint="run it yourself in a terminal; a route with a header {secret:NAME} gives the use "
            "of a secret without its value",
        )


def _says_yes(question: str) -> bool:
    """Asked at the controlling terminal, which a command without one can't fake by its input."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        sys.stderr.flush()
        with suppress(termios.error):
            termios.tcflush(terminal, termios.TCIFLUSH)  # what was typed before is no answer
        os.write(terminal, f"{output.printable(question)} [y/N] ".encode())
        if not select.select([terminal], [], [], _PATIENCE_S)[0]:
            os.write(terminal, b"\n")
            return False
        return os.read(terminal, 100).strip().lower() in (b"y", b"yes")
    finally:
        os.close(terminal)
