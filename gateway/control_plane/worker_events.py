"""What workers tell of themselves, and what is done about it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.control_plane.audit_queue import AuditQueue
from gateway.control_plane.credential_renewals import CredentialRenewals
from gateway.control_plane.identities import Identities
from gateway.control_plane.publisher import Publisher
from gateway.control_plane.request_history import RequestHistory
from gateway.control_plane.worker_pool import WorkerPool
from gateway.ipc import events, sessions
from gateway.ipc.events import Event
from gateway.telemetry.logs import fields

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvents:
    """Hands each event to those whom it concerns.

    Attributes:
        publish: has the Snapshot of now built.
    """

    history: RequestHistory
    identities: Identities
    renewals: CredentialRenewals
    publisher: Publisher
    pool: WorkerPool
    audit: AuditQueue
    publish: Callable[[], None]

    def take(self, event: Event) -> None:
        """Do what an event asks for. One that is not known is logged."""
        route, reason = event.text("route"), event.text("reason")
        match event.name:
            case events.LATE_ALERT:
                self._refused(route, event)
            case events.IDENTITY_EXPIRED:
                why = "requests wait for a certificate"
                if self.identities.refresh_expired(event.text("identity"), why):
                    self.publish()  # it may have expired since an attempt has failed
            case events.UNAUTHORIZED:
                self.renewals.want(route)
            case events.CALLER_DENIED:
                if (count := event.integer("count", 1)) > 1:
                    reason += f" ({count} refusals)"
                _LOG.warning("%s: a caller was refused: %s", route, reason)
                self.audit.put("route.use", outcome="denied", name=route, reason=reason)
            case events.ROUTE_REJECTED:
                self.publisher.rejected[route] = reason
                _LOG.error("%s: %s", route, reason, extra=fields(event.fields))
            case events.SESSION:
                self.pool.share(sessions.told(event))
            case events.LOG:
                levels = logging.getLevelNamesMapping()
                level = levels.get(event.text("level").upper(), logging.INFO)
                _LOG.log(level, "%s", event.text("message"), extra=fields(event.fields))
            case name:
                _LOG.warning("a worker told of an unknown event %r", name)

    def _refused(self, route: str, event: Event) -> None:
        _LOG.warning("%s: the upstream refused our certificate", route, extra=fields(event.fields))
        self.history.note_alert(event, datetime.now(UTC))
        cause = event.text("cause") or event.text("alert")
        self.identities.refresh_refused(
            event.text("identity"),
            route,
            event.integer("generation", 0) or None,
            f"{route} refused our certificate: {cause}",
        )
