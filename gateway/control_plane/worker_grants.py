"""What workers need of the system beyond what every worker does."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.model import Route, UnixAddress
from gateway.ipc.grants import OTHER_PROGRAMS, UNIX_SOCKETS


def worker_grants(routes: Iterable[Route]) -> tuple[str, ...]:
    """The words for a worker's command line, in order; usually none."""
    needed = set()
    for route in routes:
        if any(not port for _, port in route.targets):
            needed.add(UNIX_SOCKETS)
        # The log names the programs of a Unix socket's callers, whoever the rules let in.
        if any(rule.exe for rule in route.allow) or any(
            isinstance(place, UnixAddress) for place in route.listen
        ):
            needed.add(OTHER_PROGRAMS)
    return tuple(sorted(needed))
