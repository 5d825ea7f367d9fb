"""Whether this machine's clock agrees with those of the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from certs.clock_skew import WORTH_A_WORD_S, remark
from gateway.doctor.finding import Finding, skipped

#: From here on new certificates and tokens are refused, or refused by others.
TOO_FAR_S: Final = 300.0
_REMEDY: Final = "set it by NTP (timedatectl set-ntp true), unless the other machine's is wrong"


def judge(skews: Mapping[str, float | None]) -> Finding:
    """`skews` has by how many seconds our clock is ahead of whose; None where they didn't tell."""
    known = {whose: skew for whose, skew in skews.items() if skew is not None}
    if not known:
        return skipped("clock", "nobody that was asked tells the time")
    far = {whose: skew for whose, skew in known.items() if abs(skew) >= WORTH_A_WORD_S}
    if not far:
        most = max(abs(skew) for skew in known.values())
        detail = f"within {max(1, round(most))} s of {', '.join(known)}"
        return Finding(rung="clock", result="pass", detail=detail)
    is_too_far = any(abs(skew) >= TOO_FAR_S for skew in far.values())
    return Finding(
        rung="clock",
        result="fail" if is_too_far else "warn",
        detail="; ".join(remark(skew, f"that of {whose}") for whose, skew in far.items()),
        remedy=_REMEDY,
    )
