"""How long a server asks to be left alone: `Retry-After` (RFC 9110 §10.2.3). Pure."""

from __future__ import annotations

import math
from typing import Final

#: Longer than this no server keeps anybody away: a wrong figure would be an outage.
LONGEST_S: Final = 3_600.0


def retry_after_s(text: str) -> float | None:
    """The seconds that the header says, an hour at most; None for a date, or what is no span."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, LONGEST_S) if math.isfinite(seconds) and seconds >= 0 else None
