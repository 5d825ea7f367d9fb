"""Until when each route is good if no certificate is renewed any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outlook:
    """Routes that are good until the same moment; None for those that aren't good now."""

    good_until: datetime | None
    routes: tuple[str, ...]


def good_until(ends: Iterable[datetime | None], now: datetime) -> datetime | None:
    """When the first of the things ends that a route needs; None where one is missing or over."""
    found = list(ends)
    known = [end for end in found if end is not None and end > now]
    return min(known) if known and len(known) == len(found) else None


def forecast(routes: Mapping[str, datetime | None]) -> tuple[Outlook, ...]:
    """Routes by their ends, the first to end first, those that aren't good now before them."""
    groups: dict[datetime | None, list[str]] = {}
    for name, end in routes.items():
        groups.setdefault(end, []).append(name)
    ordered = sorted(groups, key=lambda end: end.timestamp() if end else 0.0)
    return tuple(Outlook(end, tuple(groups[end])) for end in ordered)
