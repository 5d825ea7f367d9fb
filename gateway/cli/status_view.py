"""The status document as lines for people. `now` comes in, so the same document looks the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from certs import clock_skew
from gateway.cli.output import duration, paint, pairs, printable, table, width
from gateway.cli.rotate_view import reminder_lines

_STATES: Final = {
    "ready": "good",
    "starting": "warning",
    "draining": "warning",
    "degraded": "bad",
}
_HEADINGS: Final = (
    *("ROUTE", "KIND", "LISTENER", "UPSTREAM"),
    *("PEER ID", "TLS", "STREAMS", "CONNECTIONS"),
)


def status_lines(document: Mapping[str, Any], *, now: datetime, columns: int | None) -> list[str]:
    """The whole picture; routes as a table where it fits into `columns`, else as blocks."""
    return [
        *_heading(document, now),
        *_forecast(document.get("forecast") or [], now),
        "",
        *_identities(document, now),
        *_routes(document.get("routes") or [], now, columns),
        *_secrets(document.get("secrets") or []),
        *_configu(document.get("configu")),
        *_forwards(document.get("forwards") or []),
        *reminder_lines(document.get("rotations") or [], now=now),
        *_workers(document.get("workers") or []),
    ]


def _identities(document: Mapping[str, Any], now: datetime) -> list[str]:
    """Each with its routes, where there is more than the one of all routes."""
    identities = document.get("identities") or [document.get("identity") or {}]
    if len(identities) == 1:
        return ["IDENTITY", *identity_lines(identities[0], now=now), ""]
    lines: list[str] = []
    for identity in identities:
        routes = ", ".join(_texts(identity, "routes")) or "none"
        lines.append(f"IDENTITY {_text(identity, 'name')}")
        lines += [*identity_lines(identity, now=now, routes=routes), ""]
    return lines


def _forecast(outlooks: list[Mapping[str, Any]], now: datetime) -> list[str]:
    """Until when which routes are good; what isn't good now is told elsewhere."""
    good = [item for item in outlooks if moment(item.get("good_until"))]
    if not good:
        return []
    # What ends within the same minute reads as one.
    ends: dict[str, list[str]] = {}
    for item in good:
        end = _time_of_day(moment(item["good_until"]), now)
        ends.setdefault(end, []).extend(_texts(item, "routes"))
    parts = [f"{', '.join(routes)} until {end}" for end, routes in ends.items()]
    if len(ends) == 1 and len(good) == len(outlooks):
        parts = [f"all routes good until {next(iter(ends))}"]
    else:
        parts[0] = f"good: {parts[0]}"
    return [f"{'; '.join(parts)}, if the issuer stays down"]


def identity_lines(identity: Mapping[str, Any], *, now: datetime, routes: str = "") -> list[str]:
    """The identity in use, and how it is going to be renewed; `routes` are those that use it."""
    state = _text(identity, "state")
    source = _text(identity, "source") + (f" ({state})" if state else "")
    rows = [
        *([("routes", routes)] if routes else []),
        ("source", source),
        ("SPIFFE id", _text(identity, "spiffe_id")),
        *([("DNS names", ", ".join(names))] if (names := _texts(identity, "dns_names")) else []),
        ("issuer", _text(identity, "issuer")),
        ("serial", _text(identity, "serial")),
        ("generation", _text(identity, "generation") if identity.get("generation") else "none"),
        ("expires in", _expiry(identity, now)),
        ("next renewal", _until(identity, "next_renewal", now)),
        ("last error", _error(identity, now)),
    ]
    if clock := clock_skew.remark(identity.get("clock_skew_s"), "the issuer's"):
        rows.append(("clock", paint(clock, "warning")))
    if hint := _text(identity, "last_error_hint"):
        rows.append(("hint", hint))
    reason, error = _text(identity, "reason"), _text(identity, "last_error")
    if reason and not (error and error in reason):
        rows.append(("reason", reason))
    return pairs(rows)


def _heading(document: Mapping[str, Any], now: datetime) -> list[str]:
    state = _text(document, "state") or "unknown"
    since = moment(document.get("started_at"))
    up = f"  up {duration((now - since).total_seconds())}" if since else ""
    first = (
        f"devwiz-gw {_text(document, 'version')}  "
        f"{paint(state, _STATES.get(state, 'bad'))}  pid {_text(document, 'pid')}{up}"
    )
    project = f"project {_text(document, 'project')}"
    reasons = [f"  {paint('!', 'bad')} {reason}" for reason in _texts(document, "reasons")]
    return [first, f"{project}  {_text(document, 'config')}", *reasons]


def _expiry(identity: Mapping[str, Any], now: datetime) -> str:
    end = moment(identity.get("not_after"))
    if end is None:
        return ""
    left = (end - now).total_seconds()
    if left <= 0:
        return f"expired {duration(-left)} ago ({_clock(end)})"
    return f"{duration(left)} ({_clock(end)})"


def _until(values: Mapping[str, Any], name: str, now: datetime) -> str:
    when = moment(values.get(name))
    if when is None:
        return ""
    left = (when - now).total_seconds()
    return f"in {duration(left)}" if left > 0 else "now"


def _error(values: Mapping[str, Any], now: datetime) -> str:
    text = _text(values, "last_error")
    when = moment(values.get("last_error_at"))
    if not text or when is None:
        return text
    return f"{text} ({duration((now - when).total_seconds())} ago)"


def _routes(routes: list[Mapping[str, Any]], now: datetime, columns: int | None) -> list[str]:
    if not routes:
        return ["ROUTES", "  none"]
    lines = _route_table(routes, now)
    if columns is None or max(width(line) for line in lines) <= columns:
        return lines
    return _route_blocks(routes, now)


def _route_table(routes: list[Mapping[str, Any]], now: datetime) -> list[str]:
    rows: list[tuple[str, ...]] = []
    owners: list[Mapping[str, Any] | None] = []
    for route in routes:
        name, kind, listeners, *others = _cells(route)
        first, *more = listeners or [""]
        rows.append((name, kind, first, *others))
        rows += [(" ", " ", listener, " ", " ", " ", " ", " ") for listener in more]
        owners += [None] * len(more) + [route]
    heading, *body = table(_HEADINGS, rows)
    lines = [heading]
    for owner, line in zip(owners, body, strict=True):
        lines.append(line)
        if owner is not None:
            lines += [f"  {trouble}" for trouble in _troubles(owner, now)]
    return lines


def _route_blocks(routes: list[Mapping[str, Any]], now: datetime) -> list[str]:
    lines = ["ROUTES"]
    for route in routes:
        name, kind, listeners, upstream, peer, tls, streams, connections = _cells(route)
        rows = [
            ("kind", kind),
            ("listener", ", ".join(listeners)),
            ("upstream", upstream),
            ("peer id", peer),
            ("TLS", tls),
            ("streams", streams),
            ("connections", connections),
        ]
        lines += [f"  {name}", *pairs(rows, indent="    ")]
        lines += [f"    {trouble}" for trouble in _troubles(route, now)]
    return lines


def _cells(route: Mapping[str, Any]) -> tuple[str, str, list[str], str, str, str, str, str]:
    peer = _text(route, "peer") or ", ".join(_texts(route, "peers"))
    tls = " ".join(filter(None, (_text(route, "tls_version"), _text(route, "tls_group"))))
    by_generation = sorted((route.get("connections") or {}).items(), key=_generation, reverse=True)
    connections = ", ".join(f"{count} of generation {number}" for number, count in by_generation)
    return (
        _text(route, "name"),
        _kind(route),
        _texts(route, "listener_urls"),
        _text(route, "upstream"),
        peer,
        tls,
        _text(route, "streams"),
        connections,
    )


def _kind(route: Mapping[str, Any]) -> str:
    """With whose credentials it goes, where that isn't the rule."""
    passes = _text(route, "auth") == "passthrough"
    return f"{_text(route, 'kind')}, passthrough" if passes else _text(route, "kind")


def _generation(item: tuple[str, Any]) -> int:
    return int(item[0]) if item[0].isdigit() else 0


def _troubles(route: Mapping[str, Any], now: datetime) -> list[str]:
    unavailable = _text(route, "unavailable")
    error = _error(route, now)
    ejected = ", ".join(_texts(route, "ejected"))
    return [
        *([paint(f"unavailable: {unavailable}", "bad")] if unavailable else []),
        *([paint(f"left out after failures: {ejected}", "warning")] if ejected else []),
        *(paint(f"trust: {problem}", "warning") for problem in _texts(route, "trust_problems")),
        *([paint(f"last error: {error}", "warning")] if error else []),
    ]


def _secrets(secrets: list[Mapping[str, Any]]) -> list[str]:
    """Only what is not well: a secret in order is no news."""
    wanting = [item for item in secrets if _text(item, "state") not in {"", "ready"}]
    rows = [[_text(item, "name"), _text(item, "route"), _text(item, "state")] for item in wanting]
    return ["", *table(("SECRET", "ROUTE", "STATE"), rows)] if rows else []


def _forwards(forwards: list[Mapping[str, Any]]) -> list[str]:
    """All of them: that the journal is passed on is worth seeing."""
    keys = ("name", "to", "position", "lag", "refused", "error")
    rows = [[_text(item, key) for key in keys] for item in forwards]
    heading = ("AUDIT FORWARD", "TO", "THROUGH LINE", "BEHIND", "REFUSED", "ERROR")
    return ["", *table(heading, rows)] if rows else []


def _configu(configu: Mapping[str, Any] | None) -> list[str]:
    """How old it all is, and names that want somebody's look."""
    if not configu:
        return []
    age = configu.get("age_s")
    answered = "never" if age is None else f"{duration(age)} ago"
    rows = [("set", _text(configu, "set") or "the root set"), ("answered", answered)]
    rows += [
        (label, _text(configu, key))
        for label, key in (("problem", "problem"), ("too old", "too_old"))
        if configu.get(key)
    ]
    cells = ("name", "state", "reason")
    wanting = [[_text(item, cell) for cell in cells] for item in configu.get("wanting") or []]
    found = table(("CONFIG", "STATE", "WHY"), wanting) if wanting else []
    return ["", "CONFIGU", *pairs(rows), *found]


def _workers(workers: list[Mapping[str, Any]]) -> list[str]:
    """Only when there is something to see: several of them, or one that was started again."""
    if len(workers) < 2 and not any(worker.get("restarts") for worker in workers):
        return []
    return ["", *worker_lines(workers)]


def worker_lines(workers: list[Mapping[str, Any]]) -> list[str]:
    """All workers as a table."""
    keys = ("pid", "state", "connections", "streams", "restarts", "snapshot")
    rows = [[_text(worker, key) for key in keys] for worker in workers]
    return table(("WORKER", "STATE", "CONNECTIONS", "STREAMS", "RESTARTS", "SNAPSHOT"), rows)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else printable(str(value))


def _texts(values: Mapping[str, Any], name: str) -> list[str]:
    return [printable(str(value)) for value in values.get(name) or []]


def _clock(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")


def _time_of_day(when: datetime | None, now: datetime) -> str:
    """With the date, where it is another day's."""
    if when is None:
        return ""
    return when.strftime("%H:%M UTC" if when.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def moment(text: object) -> datetime | None:
    """An RFC 3339 time of the document."""
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
