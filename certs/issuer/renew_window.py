"""When the issuer would like each certificate to be renewed (after ACME's RFC 9773). Pure.

Left alone, a certificate's window is the part of its life in which clients renew by their own rule.
An operator, or a new phase of the authority's rotation, can pull the windows of all certificates
issued so far forward, spread over a span, so that the fleet comes soon and not at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

_BEGIN_SHARE: Final = 0.5
_END_SHARE: Final = 0.6
# Of the life of a certificate: so the load of a pulled fleet is four times the usual one, spread
# evenly, however long the lives are.
_PULL_SHARE: Final = 0.25
_ASK_SHARE: Final = 0.05
_ASK_LEAST: Final = timedelta(seconds=5)
_ASK_MOST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The span in which to renew; a client picks an instant in it and keeps to it.

    `retry_after_s` is how long to wait before asking whether the window has moved.
    """

    start: datetime
    end: datetime
    retry_after_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """The wish that what was issued before `at` is renewed soon.

    Attributes:
        at: when it was made.
        within: over which span the renewals are spread; None for a quarter of each life.
    """

    at: datetime
    within: timedelta | None = None


def window(issued: datetime, not_after: datetime, pull: Pull | None) -> Window:
    """The window of a certificate."""
    life = not_after - issued
    retry_after = min(max(life * _ASK_SHARE, _ASK_LEAST), _ASK_MOST)
    usual = Window(
        start=issued + life * _BEGIN_SHARE,
        end=issued + life * _END_SHARE,
        retry_after_s=int(retry_after.total_seconds()),
    )
    if pull is None or issued > pull.at:
        return usual
    spread = life * _PULL_SHARE if pull.within is None else pull.within
    # Never later than it would have been.
    start = min(pull.at, usual.start)
    return replace(usual, start=start, end=min(start + spread, usual.end))
