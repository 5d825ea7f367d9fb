"""What a worker reports of itself, cumulative since its start (counters) or now (gauges)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from gateway.ipc.frames import FrameError
from gateway.ipc.json_values import (
    as_counts,
    as_integer,
    as_object,
    as_seconds,
    as_text,
    parse_object,
)


@dataclass(slots=True, kw_only=True)
class RouteStats:
    """One route's numbers.

    Attributes:
        requests: finished requests by status code as text ("200"), gateway-made ones included.
        failures: gateway-made error responses and aborted exchanges by reason code (the `reason`
            of the access log: "upstream_refused", "late_alert", …).
        active: exchanges in flight now, tunnels and event streams included.
        streams: event streams and tunnels open now; `tunnels` of these.
        retries: requests sent a second time, by the reason of the first failure.
        unauthorized: answers 401 to the credentials that the route attached, by what came of them
            ("repeated", "again", "not_held", "unchanged", "too_late").
        client_aborts: requests that their callers gave up.
        connections: open connections over mutual TLS, to the upstream or from an ingress's callers,
            by generation number as text.
        idle: connections to the upstream that wait for a request.
        reused: exchanges carried to their end on a connection that had carried one before.
        handshakes: completed handshakes of such connections, by version and key exchange
            ("TLSv1.3 X25519MLKEM768"); `handshake_failures` by reason.
        late_alerts: refusals of our certificate after the handshake, by alert.
        ejections: how often an address of several was left out, by the reason of the last failure;
            `ejected` has 1 for each address that is left out now, and 0 for the others.
        retired: upstream connections closed by reason ("idle", "generation", "upstream_closed",
            "revoked", "untrusted", …), and an ingress's callers that were cut by the last two.
        rejected: requests refused by the listener, by rule; `denied` callers by kind of refusal.
        bytes_up, bytes_down: body bytes towards the upstream and towards the client.
        duration_buckets: finished requests by upper bound in seconds ("0.005" … "+Inf"),
            not cumulative; `duration_sum_s` their total.
        tls_version, tls_group, tls_cipher, peer: of the last completed handshake, else "".
        last_error: text of the last failure, else ""; `last_error_at` its Unix time, else 0.
    """

    requests: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    active: int = 0
    streams: int = 0
    tunnels: int = 0
    retries: dict[str, int] = field(default_factory=dict)
    unauthorized: dict[str, int] = field(default_factory=dict)
    client_aborts: int = 0
    downstream_connections: int = 0
    connections: dict[str, int] = field(default_factory=dict)
    idle: int = 0
    reused: int = 0
    handshakes: dict[str, int] = field(default_factory=dict)
    handshake_failures: dict[str, int] = field(default_factory=dict)
    late_alerts: dict[str, int] = field(default_factory=dict)
    retired: dict[str, int] = field(default_factory=dict)
    ejections: dict[str, int] = field(default_factory=dict)
    ejected: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    bytes_up: int = 0
    bytes_down: int = 0
    duration_buckets: dict[str, int] = field(default_factory=dict)
    duration_sum_s: float = 0.0
    tls_version: str = ""
    tls_group: str = ""
    tls_cipher: str = ""
    peer: str = ""
    last_error: str = ""
    last_error_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class WorkerStats:
    """One worker's numbers.

    Attributes:
        snapshot: the number in use.
        open_connections: of callers, whatever they carry.
        buffered_bytes: in the worker's own buffers, read from one side and not yet written to the
            other.
        routes: by route name.
    """

    pid: int
    snapshot: int
    open_connections: int = 0
    buffered_bytes: int = 0
    routes: dict[str, RouteStats] = field(default_factory=dict)
    access_lines_dropped: int = 0

    def to_json(self) -> bytes:
        """The wire form."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Rebuild what `to_json` wrote. Raises `FrameError` for anything else."""
        return cls(**_checked(cls, parse_object(data)))


def _routes(value: object) -> dict[str, RouteStats]:
    return {as_text(name): _route(item) for name, item in as_object(value).items()}


def _route(value: object) -> RouteStats:
    stats = RouteStats(**_checked(RouteStats, as_object(value)))
    for bound in stats.duration_buckets:
        try:
            is_number = not math.isnan(float(bound))
        except ValueError:
            is_number = False
        if not is_number:
            raise FrameError(f"{bound!r} is not a bound of durations")
    return stats


_CHECKS: Final[Mapping[str, Callable[[object], object]]] = {
    "int": as_integer,
    "float": as_seconds,
    "str": as_text,
    "dict[str, int]": as_counts,
    "dict[str, RouteStats]": _routes,
}


def _checked(kind: type[RouteStats] | type[WorkerStats], raw: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, each checked against the type that it is declared with."""
    checks = {item.name: _CHECKS[str(item.type)] for item in fields(kind)}
    if raw.keys() != checks.keys():
        odd = sorted(raw.keys() ^ checks.keys())[0]
        raise FrameError(f"{kind.__name__} lacks {odd!r}, or should")
    return {name: check(raw[name]) for name, check in checks.items()}
