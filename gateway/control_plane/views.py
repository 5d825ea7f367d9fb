"""What is shown of the gateway's parts, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from certs.generation import Generation
from gateway.configu.contact import Contact
from identity.configu.comparison import Finding

WorkerState = Literal[
    "starting", "ready", "restarting", "crash-loop", "retiring", "draining", "stopped"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustView:
    """How it stands with the files, or the lists of an issuer, that a route's trust is read from.

    `problems` says what is wrong with them; at `crl_ends_at` there is an authority without a
    revocation list in force.
    """

    problems: tuple[str, ...] = ()
    crl_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityView:
    """What is known of the identity; `reason` says why it is not usable or about to be not.

    `since` is where its life is counted from, and before `earliest_renewal` nobody can hasten the
    next one. `renewals` counts attempts by outcome, and all of them took `renewal_s`. This
    machine's clock is `clock_skew_s` ahead of the source's. `trust` says how it stands with the
    revocation lists that come with it.
    """

    source: str
    state: str
    generation: Generation | None = None
    since: datetime | None = None
    next_renewal: datetime | None = None
    earliest_renewal: datetime | None = None
    last_error: str = ""
    last_error_hint: str = ""
    last_error_at: datetime | None = None
    reason: str = ""
    renewals: Mapping[str, int]
    renewal_s: float = 0.0
    clock_skew_s: float | None = None
    trust: TrustView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretView:
    """One secret that a route refers to, by name; never its value."""

    name: str
    route: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguView:
    """How it stands with Configu: configs that want somebody's look, by name, when it was asked,
    and why what it said before is `too_old` to be used.
    """

    url: str
    set: str
    contact: Contact = field(default_factory=Contact)
    problem: str = ""
    too_old: str = ""
    wanting: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportView:
    """One folder that an identity is written to: the serial number of the certificate in it, as far
    as this process wrote it or found it there, and what failed last.
    """

    identity: str
    folder: str
    serial: str = ""
    exported_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardView:
    """How far a forwarder of the audit journal is: the number of the last line that it passed on,
    by how many it is behind, and since when the oldest of these waits.

    `sent` counts since the start, `refused` the lines that lie aside; `problem` is why it can't
    send now.
    """

    name: str
    kind: str
    to: str
    position: int
    lag: int
    waiting_since: datetime | None
    sent: int
    refused: int
    problem: str
    problem_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """What is shown of one worker; `pid` is 0 while there is no process.

    `connections` counts those of callers, `streams` the event streams and tunnels among them,
    `buffered_bytes` what waits for slow readers.
    """

    pid: int
    state: WorkerState
    restarts: int
    snapshot: int
    connections: int = 0
    streams: int = 0
    buffered_bytes: int = 0
