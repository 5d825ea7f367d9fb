"""Who got which version of a secret: what the journal tells of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Events by which a value, or its use, leaves the store.
_GIVEN: Final = frozenset({"secret.inject", "secret.use", "secret.read"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a value: a program, or a route of the gateway in process `pid`, which `started` then
    (clock ticks after the machine's start).

    Attributes:
        what: the program's or the route's name, or the command that printed the value.
        how: "env", "file" and the like for a program, "header" for a route, "printed".
        fingerprint: which version; "" for one of before versions were on record.
    """

    what: str
    how: str
    agent: str
    variable: str
    pid: int
    started: int
    at: str
    fingerprint: str


def holders(events: Iterable[Mapping[str, Any]], secret: str) -> list[Holder]:
    """All who got a value of `secret`, each with the last one that it got, the latest last."""
    found: dict[tuple[int, int, str, str], Holder] = {}
    for event in events:
        if event.get("name") != secret or event.get("action") not in _GIVEN:
            continue
        if event.get("outcome") != "ok" or not _is_handed_out(event):
            continue
        holder = _holder(event)
        key = (holder.pid, holder.started, holder.what, holder.variable)
        found.pop(key, None)
        found[key] = holder
    return list(found.values())


def _is_handed_out(event: Mapping[str, Any]) -> bool:
    """`scan` and `doctor` read values, and show them to nobody."""
    return event["action"] != "secret.read" or event.get("reason") == "secret get"


def _holder(event: Mapping[str, Any]) -> Holder:
    client = event.get("client")
    process = client if isinstance(client, Mapping) else {}
    delivery = {"secret.use": "header", "secret.read": "printed"}.get(str(event.get("action")))
    return Holder(
        what=str(event.get("reason") or ""),
        how=delivery or str(event.get("delivery") or ""),
        agent=str(event.get("agent") or ""),
        variable=str(event.get("variable") or ""),
        pid=_number(process.get("pid")),
        started=_number(process.get("started")),
        at=str(event.get("time") or ""),
        fingerprint=str(event.get("fingerprint") or ""),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
