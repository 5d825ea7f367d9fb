"""How something that was begun ended badly, in the journal's words. Pure."""

from __future__ import annotations

import os
from typing import Final

from identity.errors import BindingRefused, ProjectElsewhere, StateElsewhere, TouchDenied
from identity.fault import Fault

#: Somebody may not have it: nothing is broken.
_REFUSALS: Final = (BindingRefused, ProjectElsewhere, StateElsewhere, TouchDenied)


def ending_of(error: BaseException) -> tuple[str, str]:
    """The outcome ("denied" or "failed") of what ended in `error`, and why, in plain words. Only
    the text of a `Fault` is repeated: that of another exception may hold a value.
    """
    if isinstance(error, Fault):
        return "denied" if isinstance(error, _REFUSALS) else "failed", str(error)
    if not isinstance(error, Exception):  # from the keyboard, or the task was cancelled
        return "failed", "it was stopped before its end"
    if isinstance(error, OSError) and error.errno is not None:
        return "failed", os.strerror(error.errno).lower()
    return "failed", f"a defect of this program ({type(error).__name__})"
