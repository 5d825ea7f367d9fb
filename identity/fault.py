"""The shape that every error of the three packages shares."""

from __future__ import annotations


class Fault(Exception):
    """Root of the packages' error trees: what failed, the likely cause, what to do.

    `str(fault)` is what failed: lower case, no full stop, naming the field or path. `hint` is the
    likely cause and the remedy, shown on a line of its own; `own_hint` is "" where that is only
    what its class says. Neither ever holds a secret.
    """

    #: Whether trying the same again later may succeed without anybody changing anything.
    retryable: bool = False
    #: The hint of an error that is made without one of its own.
    remedy: str = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.own_hint = hint
        self.hint = hint or self.remedy
