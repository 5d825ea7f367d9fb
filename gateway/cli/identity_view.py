"""Identities as lines for people. `now` comes in, so the same document looks the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.cli.output import duration, fitted, paint, pairs
from gateway.cli.status_view import identity_lines, moment

Identity = Mapping[str, Any]

#: The part of a life after which a certificate should have been renewed long ago.
_LATE: Final = 0.8
_HEADINGS: Final = (
    *("IDENTITY", "SPIFFE ID", "SOURCE", "SERIAL"),
    *("EXPIRES IN", "LIFE USED", "NEXT RENEWAL", "STATE"),
)


def all_lines(
    identities: Sequence[Identity], *, now: datetime, columns: int | None = None
) -> list[str]:
    """One identity as a block, several as a table (or, where that is wider than `columns`, as short
    blocks) with what troubles them below.
    """
    if len(identities) == 1:
        return block(identities[0], now=now)
    rows = [_row(identity, now) for identity in identities]
    lines = fitted(_HEADINGS, rows, columns=columns)
    for identity in identities:
        for text in troubles(identity, now=now):
            lines.append(f"{paint('!', 'bad')} {identity.get('name')}: {text}")
    return lines


def block(identity: Identity, *, now: datetime) -> list[str]:
    """Everything about one identity."""
    lines = identity_lines(identity, now=now)
    if not identity.get("generation"):
        return lines
    issuers = [str(name) for name in identity.get("issuer_chain") or ()]
    rows = [
        ("valid", f"{identity.get('not_before')} to {identity.get('not_after')}"),
        ("life used", _used_text(identity, now)),
        ("issuer chain", " < ".join(issuers)),
        ("renewable", _renewable(identity, now)),
    ]
    lines += pairs(rows)
    if not identity.get("last_error"):
        lines += [f"  {paint('!', 'bad')} {text}" for text in troubles(identity, now=now)]
    return lines


def troubles(identity: Identity, *, now: datetime) -> list[str]:
    """What is wrong with an identity, and what to do; nothing when all is well."""
    end = moment(identity.get("not_after"))
    used = life_used(identity, now)
    error, hint = identity.get("last_error"), identity.get("last_error_hint")
    if error:
        what = [f"{identity.get('reason') or error}"]
    elif not identity.get("generation"):
        what = [str(identity.get("reason") or "no certificate yet")]
    elif end is not None and now >= end:
        what = [f"expired {duration((now - end).total_seconds())} ago"]
    elif used is not None and used > _LATE:
        what = ["late for a renewal: is the issuer away, or this machine's clock wrong?"]
    else:
        what = []
    return what + ([f"hint: {hint}"] if error and hint else [])


def life_used(identity: Identity, now: datetime) -> float | None:
    """Which part of its life is over, from 0 to 1; None without a certificate."""
    begin, end = moment(identity.get("not_before")), moment(identity.get("not_after"))
    if begin is None or end is None or end <= begin:
        return None
    return min(1.0, max(0.0, (now - begin) / (end - begin)))


def _row(identity: Identity, now: datetime) -> list[str]:
    end = moment(identity.get("not_after"))
    due = moment(identity.get("next_renewal"))
    return [
        str(identity.get("name") or ""),
        str(identity.get("spiffe_id") or ", ".join(identity.get("dns_names") or ())),
        str(identity.get("source") or ""),
        str(identity.get("serial") or ""),
        _until(end, now, "expired"),
        _used_text(identity, now),
        _until(due, now, "now"),
        str(identity.get("state") or ""),
    ]


def _used_text(identity: Identity, now: datetime) -> str:
    used = life_used(identity, now)
    return "" if used is None else f"{used:.0%}"


def _renewable(identity: Identity, now: datetime) -> str:
    at = moment(identity.get("renewal_possible_from"))
    if at is None or at <= now:
        return "now"
    return f"in {duration((at - now).total_seconds())}"


def _until(at: datetime | None, now: datetime, over: str) -> str:
    if at is None:
        return ""
    return duration((at - now).total_seconds()) if at > now else over
