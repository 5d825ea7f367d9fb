"""Lines of the journal as log records of OpenTelemetry: OTLP/HTTP in JSON, `POST /v1/logs`.

Source: the OpenTelemetry protocol specification 1.10 and its logs data model. A record that is sent
again has the same `log.record.uid`, by which a receiver can tell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway.control_plane.forwarding.http_post import Poster
from gateway.control_plane.forwarding.record import Record, Rejected, Taken, Verdict
from gateway.telemetry.spans import Value
from identity.strict_json import strict_value

_MOST_SAID: Final = 200
#: Severities of the logs data model.
_WARNING: Final = (13, "WARN")
_INFO: Final = (9, "INFO")
_BAD: Final = frozenset({"denied", "failed", "refused"})
_SECOND_NS: Final = 1_000_000_000


class OtlpLogs:
    """A `Destination`: a collector of OpenTelemetry."""

    def __init__(self, poster: Poster, *, version: str, project: str) -> None:
        self._poster = poster
        self._resource: dict[str, Value] = {
            "service.name": "devwiz-gw",
            "service.namespace": project,
            "service.version": version,
        }

    async def send(self, records: Sequence[Record]) -> Verdict:
        """See `Destination.send`."""
        body = request_body(self._resource, records, observed_at=datetime.now(UTC))
        verdict, said = await self._poster.post(body)
        return partial_success(said) if verdict == Taken() else verdict

    async def close(self) -> None:
        """See `Destination.close`."""
        await self._poster.close()


def request_body(
    resource: dict[str, Value], records: Sequence[Record], *, observed_at: datetime
) -> bytes:
    """An ExportLogsServiceRequest."""
    scope = {"name": "devwiz-gw", "version": resource.get("service.version", "")}
    logs = [_log_record(record, observed_at) for record in records]
    scoped = {"scope": scope, "logRecords": logs}
    attributes = [_attribute(key, value) for key, value in resource.items()]
    described = {"resource": {"attributes": attributes}, "scopeLogs": [scoped]}
    return json.dumps({"resourceLogs": [described]}, separators=(",", ":")).encode()


def partial_success(body: bytes) -> Taken | Rejected:
    """An ExportLogsServiceResponse; one that can't be read is taken for full success. Which records
    were rejected isn't told, and a client must not send any of them again.
    """
    try:
        told = strict_value(body or b"{}")["partialSuccess"]
        rejected, why = int(told.get("rejectedLogRecords", 0)), str(told.get("errorMessage", ""))
    except (AttributeError, LookupError, TypeError, ValueError):
        return Taken()
    return Taken(max(0, rejected), why[:_MOST_SAID] or "the collector doesn't say why")


def _log_record(record: Record, observed_at: datetime) -> dict[str, Any]:
    number, text = _WARNING if record.said("outcome") in _BAD else _INFO
    user = record.fields.get("user")
    user = user if isinstance(user, dict) else {}
    known: dict[str, Value] = {
        "log.record.uid": record.digest,
        "audit.seq": record.seq,
        "audit.project": record.said("project"),
        "audit.name": record.said("name"),
        "audit.outcome": record.said("outcome"),
        "audit.reason": record.said("reason"),
        "user.name": str(user.get("name", "")),
        "user.id": str(user.get("account") or user.get("uid", "")),
    }
    return {
        "timeUnixNano": _nanoseconds(record.at),
        "observedTimeUnixNano": _nanoseconds(observed_at),
        "severityNumber": number,
        "severityText": text,
        "eventName": f"devwiz_gw.audit.{record.said('action')}",
        "body": {"stringValue": record.text},
        "attributes": [_attribute(key, value) for key, value in known.items() if value != ""],
    }


def _attribute(key: str, value: Value) -> dict[str, Any]:
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    return {"key": key, "value": {"stringValue": str(value)}}


def _nanoseconds(at: datetime) -> str:
    """Whole microseconds, without a float's rounding; 64 bits don't fit a number of JSON."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return str((since.days * 86_400 + since.seconds) * _SECOND_NS + since.microseconds * 1000)
