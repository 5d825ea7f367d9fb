"""What becomes of programs that hold a secret's old value, as it is written."""

from __future__ import annotations

from typing import Final

from gateway.config.table import Rejected

_SIGNALS: Final = ("HUP", "INT", "TERM", "USR1", "USR2")


def on_switch(text: str) -> str:
    """What is to become of programs at a switch. Raises `Rejected`."""
    word, _, signal = text.partition(":")
    if text in ("restart", "leave") or (word == "signal" and signal in _SIGNALS):
        return text
    raise Rejected(
        f"{text!r} is not known",
        f'write "restart", "leave", or "signal:" with one of {", ".join(_SIGNALS)}',
    )
