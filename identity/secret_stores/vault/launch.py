"""Starts the process that holds an unlocked vault's key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from identity.errors import StoreUnavailable
from identity.secret_stores.keychain_frames import read_frame, write_frame

#: Isolated: neither the working folder nor PYTHON… variables add code to it.
COMMAND: Final = (sys.executable, "-I", "-m", "identity.secret_stores.vault.agent")

# By which the keychain is reached, if the vault's last state is marked there.
_INHERITED: Final = ("HOME", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "TMPDIR", "USER")


def launch(
    order: Mapping[str, Any], env: Mapping[str, str], *, command: Sequence[str] = COMMAND
) -> None:
    """Start the process with `order` (see `agent.Order.message`), which outlives this one.

    Returns once it answers callers.

    Raises:
        StoreUnavailable: it can't be started, or refuses; it is gone then.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: env[name] for name in _INHERITED if name in env},
            # Ctrl-C in this terminal, and its end, are not the vault's.
            start_new_session=True,
        )
    except OSError as error:
        raise StoreUnavailable(
            f"the process for the vault's key can't be started: {error.strerror}",
            hint="is there memory, and may this user start another process?",
        ) from error
    reply = _told(process, dict(order))
    if reply is None or "error" in reply:
        process.wait()
        reply = reply or {"error": "the process for the vault's key ended at once", "hint": ""}
        raise StoreUnavailable(reply["error"], hint=reply["hint"])
    # It lives on, and nobody waits for it.
    process.returncode = 0


def _told(process: subprocess.Popen[bytes], order: dict[str, Any]) -> dict[str, Any] | None:
    if process.stdin is None or process.stdout is None:
        return None
    with process.stdin as orders, process.stdout as replies:
        try:
            write_frame(orders, order)
        except OSError:
            return None
        return read_frame(replies)
