"""A collector that takes nothing but what the protocol's own definitions allow.

Each request is read with the published protobuf messages, after what JSON does otherwise than
protobuf's usual mapping was checked: ids in hexadecimal digits, enumerations as numbers (OTLP
specification, "JSON Protobuf Encoding").
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from typing import Any, Final, Self

from aiohttp import web
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_IDS: Final = {"traceId": 32, "spanId": 16, "parentSpanId": 16}
_NANOSECONDS: Final = ("startTimeUnixNano", "endTimeUnixNano")

Reply = tuple[int, dict[str, str], bytes]
OK: Final[Reply] = (200, {"Content-Type": "application/json"}, b"{}")


class OtlpCollector:
    """Listens on a free port of 127.0.0.1; an async context manager.

    Attributes:
        replies: what is answered, in turn; the last one ever after.
        requests: headers of each request.
        spans: those of requests that were answered 200, in order.
        logs: log records, in the same way.
        resource: attributes of the last request's process.
        objections: why a request was answered 400 instead.
    """

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.replies = list(replies) or [OK]
        self.requests: list[dict[str, str]] = []
        self.spans: list[Span] = []
        self.logs: list[LogRecord] = []
        self.resource: dict[str, Any] = {}
        self.objections: list[str] = []
        self.endpoint = ""
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/v1/traces", self._take)
        application.router.add_post("/v1/logs", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        self.endpoint = f"{scheme}://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        assert not self.objections, self.objections

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append(dict(request.headers))
        body = await request.read()
        try:
            assert request.content_type == "application/json"
            assert request.headers["User-Agent"].startswith("devwiz-gw/")
            is_logs = request.path == "/v1/logs"
            spans = [] if is_logs else self._read(json.loads(body))
            logs = self._read_logs(json.loads(body)) if is_logs else []
        except (AssertionError, LookupError, TypeError, ValueError, json_format.Error) as error:
            self.objections.append(f"{type(error).__name__}: {error}")
            return web.Response(status=400)
        status, headers, answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if status == 200:
            self.spans += spans
            self.logs += logs
        return web.Response(status=status, headers=headers, body=answer)

    def _read(self, document: Any) -> list[Span]:
        for described in document["resourceSpans"]:
            for scope in described["scopeSpans"]:
                for span in scope["spans"]:
                    _check_json(span)
        message = json_format.ParseDict(document, ExportTraceServiceRequest())
        (described,) = message.resource_spans
        (scope,) = described.scope_spans
        assert scope.scope.name == "devwiz-gw"
        self.resource = plain(described.resource.attributes)
        assert self.resource["service.name"] == "devwiz-gw"
        for span in scope.spans:
            _check(span)
        assert scope.spans, "an empty request"
        return list(scope.spans)

    def _read_logs(self, document: Any) -> list[LogRecord]:
        for described in document["resourceLogs"]:
            for scope in described["scopeLogs"]:
                for record in scope["logRecords"]:
                    _check_log_json(record)
        message = json_format.ParseDict(document, ExportLogsServiceRequest())
        (described,) = message.resource_logs
        (scope,) = described.scope_logs
        assert scope.scope.name == "devwiz-gw"
        self.resource = plain(described.resource.attributes)
        assert self.resource["service.name"] == "devwiz-gw"
        assert scope.log_records, "an empty request"
        for record in scope.log_records:
            assert 0 < record.time_unix_nano <= record.observed_time_unix_nano
            assert 1 <= record.severity_number <= 24
            assert record.body.WhichOneof("value") == "string_value"
            keys = [attribute.key for attribute in record.attributes]
            assert len(set(keys)) == len(keys)
        return list(scope.log_records)


def _check_log_json(record: dict[str, Any]) -> None:
    assert type(record["severityNumber"]) is int
    names = ("timeUnixNano", "observedTimeUnixNano")
    assert all(type(record[name]) is str for name in names), "64 bits don't fit a number"


def _check_json(span: dict[str, Any]) -> None:
    for name, digits in _IDS.items():
        if name in span or name != "parentSpanId":
            assert re.fullmatch(rf"[0-9a-f]{{{digits}}}", span[name]), (name, span[name])
            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    assert type(span["kind"]) is int
    assert type(span.get("status", {}).get("code", 0)) is int
    assert all(type(span[name]) is str for name in _NANOSECONDS), "64 bits don't fit a number"


def _check(span: Span) -> None:
    assert (len(span.trace_id), len(span.span_id)) == (16, 8)
    assert len(span.parent_span_id) in (0, 8)
    assert any(span.trace_id)
    assert any(span.span_id)
    assert span.name
    assert span.kind in (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER)
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    keys = [attribute.key for attribute in span.attributes]
    assert len(set(keys)) == len(keys)
    assert all(attribute.value.WhichOneof("value") for attribute in span.attributes)


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes by name."""
    values: list[KeyValue] = list(attributes)
    return {item.key: _plain(item.value) for item in values}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    return getattr(value, kind)
