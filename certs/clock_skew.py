"""How far this machine's clock is from another's, by the Date of an HTTP answer. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

#: From here on people should know: certificates that have just been made may not be good yet.
WORTH_A_WORD_S: Final = 30.0
#: Date counts in whole seconds (RFC 9110 section 5.6.7), and is cut and not rounded.
_GRAIN: Final = timedelta(seconds=1)


def ahead_s(date: datetime, *, sent: datetime, received: datetime) -> float:
    """By how many seconds this machine's clock is ahead of one that showed `date` some time between
    `sent` and `received`; the middle of what is possible.
    """
    least, most = sent - (date + _GRAIN), received - date
    return ((least + most) / 2).total_seconds()


def is_large(skew_s: float | None) -> bool:
    """Whether it is worth a word."""
    return skew_s is not None and abs(skew_s) >= WORTH_A_WORD_S


def remark(skew_s: float | None, whose: str = "the server's") -> str:
    """What to say of the two clocks; "" when they agree, or nothing is known."""
    if skew_s is None or not is_large(skew_s):
        return ""
    way = "ahead of" if skew_s > 0 else "behind"
    return f"this machine's clock is {abs(skew_s):.0f} s {way} {whose}"
