"""`[workload_api]`: the SPIFFE Workload API that local programs get identities from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from gateway.config.addresses import unix_path
from gateway.config.callers import MOST_UID, program
from gateway.config.model import UnixAddress, WorkloadApiConfig, WorkloadRule
from gateway.config.routes import RouteReader
from gateway.config.table import Table

_KEYS: Final = ("socket", "allow")


def read_workload_api(
    table: Table,
    reader: RouteReader,
    *,
    base: Path,
    max_socket_path: int,
    identities: Collection[str],
) -> WorkloadApiConfig | None:
    """What `table` sets up; None for an absent table. Rules name some of `identities`."""
    if not table.entries():
        table.know(*_KEYS)
        table.finish()
        return None
    table.required("socket", '"unix:PATH" of the socket to serve on')
    socket = table.converted(
        "socket", lambda text: unix_path(text, base=base, max_socket_path=max_socket_path)
    )
    if socket and (holder := reader.take(UnixAddress(socket), table.at("socket"))):
        table.problem("socket", f"{socket} is taken by {holder}", "choose another path")
    rules = tuple(_rule(entry, identities) for entry in table.tables("allow"))
    if "allow" in table and not rules:
        table.problem("allow", "is empty", "add rules, or leave it out to serve your own user only")
    table.finish()
    return WorkloadApiConfig(socket=socket or base, allow=rules)


def _rule(entry: Table, identities: Collection[str]) -> WorkloadRule:
    entry.required("uid", "the caller's user id")
    names: list[str] = []
    for index, name in entry.texts("identities"):
        if name in identities:
            names.append(name)
        else:
            known = ", ".join(f'"{known}"' for known in identities)
            entry.problem("identities", f'"{name}" is not known', f"one of {known}", index=index)
    if entry.holds_nothing("identities"):
        entry.problem("identities", "is empty", "leave it out for all of them")
    rule = WorkloadRule(
        uid=entry.whole("uid", 0, least=0, most=MOST_UID),
        exe=entry.converted("exe", program) or "",
        identities=tuple(dict.fromkeys(names)),
    )
    entry.finish()
    return rule
