"""What a supervisor is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.audit.journal import Journal
from gateway.config.model import Config
from gateway.control_plane.audit_signer import AuditSigner
from gateway.control_plane.feeds import Feeds
from gateway.control_plane.forwarding.forwarders import Forwarders
from gateway.control_plane.request_history import Meaning
from gateway.control_plane.resolver import Lookup, look_up
from gateway.control_plane.worker_process import COMMAND
from gateway.rotation.desk import Desk
from gateway.service.manager import ServiceManager
from gateway.service.passed import PassedSockets
from gateway.telemetry.logs import LogSink, Redactor
from gateway.telemetry.span_exporter import SpanExporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that is made elsewhere.

    Attributes:
        load: reads the configuration file again; blocks, raises `ConfigInvalid`.
        announce: shows a line to the person who started the gateway.
        meaning: explains the reason in an access-log line.
        exporter: sends spans, once it is told where.
        open_desk: opens the rotations of a configuration; they call back when a secret changed.
        signer: vouches for the journal; None where the store can keep no key for it.
        forwarders: pass the journal's lines on; None where nothing does.
        manager: is told how far the gateway is.
        passed: sockets that are open already, for the routes that listen there.
    """

    version: str
    feeds: Feeds
    load: Callable[[], Config]
    journal: Journal
    sink: LogSink
    redactor: Redactor
    announce: Callable[[str], None]
    meaning: Callable[[str], Meaning]
    exporter: SpanExporter
    open_desk: Callable[[Config, Callable[[], Awaitable[None]]], Desk]
    signer: AuditSigner | None = None
    forwarders: Forwarders | None = None
    manager: ServiceManager = field(default_factory=ServiceManager)
    passed: PassedSockets = field(default_factory=PassedSockets)
    lookup: Lookup = look_up
    worker_command: Sequence[str] = COMMAND
