"""From an access-log line to a span, as OTLP says it in JSON. Pure.

Names follow OpenTelemetry's conventions for HTTP clients and servers and, where the line names an
MCP method, those for MCP (semantic-conventions-genai, docs/gen-ai/mcp.md, in development). What is
only ours begins with "devwiz_gw.".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

# W3C Trace Context, section 3.2.2: of a later version only the beginning is known.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED: Final = 0x01
# opentelemetry.proto.trace.v1: SpanFlags, Span.SpanKind, Status.StatusCode.
_REMOTE_PARENT: Final = 0x300
_SERVER, _CLIENT = 2, 3
_ERROR: Final = 2
_METHODS: Final = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
_NAMED: Final = {"tools/call": "gen_ai.tool.name", "prompts/get": "gen_ai.prompt.name"}
_OF_RESOURCES: Final = "resources/"
_MOST_INTEGER: Final = 2**63

Value = str | int | float | bool


class Randomness(Protocol):
    """What `random.Random` has."""

    def random(self) -> float:
        """From 0 to less than 1."""
        ...

    def randrange(self, start: int, stop: int) -> int:
        """From `start` to less than `stop`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a route leads: `url` is its origin; an ingress serves, other routes call."""

    url: str
    address: str
    port: int
    ingress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Destination:
    """Where spans go. `unavailable` says why they can't now, such as a missing secret.

    `targets` tells where each route leads; `ratio` is the part that is sampled of requests without
    a trace.
    """

    endpoint: str
    headers: tuple[tuple[str, str], ...] = ()
    unavailable: str = ""
    ratio: float = 1.0
    targets: Mapping[str, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Context:
    """The trace that a span belongs to."""

    trace_id: str
    parent_id: str
    flags: int


def span_of(
    line: Mapping[str, Any], target: Target | None, *, ratio: float, rng: Randomness
) -> dict[str, Any] | None:
    """The span of a finished request, or None when it isn't sampled.

    A request of a trace is sampled when its caller sampled it; of the others a part of `ratio` is.
    """
    context = _context(str(line.get("traceparent", "")), ratio, rng)
    if context is None:
        return None
    begin_ns, end_ns = _times(line)
    attributes = dict(_attributes(line, target))
    span: dict[str, Any] = {
        "traceId": context.trace_id,
        "spanId": _random_id(rng, 64),
        "flags": context.flags,
        "name": _sane(_name(attributes)),
        "kind": _SERVER if target is not None and target.ingress else _CLIENT,
        "startTimeUnixNano": str(begin_ns),
        "endTimeUnixNano": str(end_ns),
        "attributes": encoded(attributes.items()),
    }
    if context.parent_id:
        span["parentSpanId"] = context.parent_id
    if "error.type" in attributes:
        span["status"] = {"code": _ERROR, "message": _sane(str(line.get("detail", "")))}
    return span


def _times(line: Mapping[str, Any]) -> tuple[int, int]:
    """Begin and end in nanoseconds. Raises `ValueError` for times that are none."""
    end_ns = round(datetime.fromisoformat(str(line["ts"])).timestamp() * 1000) * 1_000_000
    begin_ns = end_ns - round(float(line["total_ms"]) * 1_000_000)
    if not 0 < begin_ns <= end_ns:
        raise ValueError("a request that ended before it began")
    return begin_ns, end_ns


def _context(traceparent: str, ratio: float, rng: Randomness) -> _Context | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return _Context(_random_id(rng, 128), "", _SAMPLED) if rng.random() < ratio else None
    flags = int(match[3], 16)
    return _Context(match[1], match[2], flags | _REMOTE_PARENT) if flags & _SAMPLED else None


def _random_id(rng: Randomness, bits: int) -> str:
    """Hexadecimal digits, not all of them zero."""
    return f"{rng.randrange(1, 1 << bits):0{bits // 4}x}"


def _name(attributes: Mapping[str, Value]) -> str:
    """Of few kinds: an MCP method with its tool or prompt, else the method of HTTP."""
    method = attributes.get("mcp.method.name")
    if method is None:
        known = attributes.get("http.request.method", "TCP")
        return "HTTP" if known == "_OTHER" else str(known)
    what = attributes.get("gen_ai.tool.name") or attributes.get("gen_ai.prompt.name")
    return f"{method} {what}" if what else str(method)


def _attributes(line: Mapping[str, Any], target: Target | None) -> Iterator[tuple[str, Value]]:
    is_http = line.get("method") != "TCP"
    if is_http:
        yield from _http(line, target)
        yield from _mcp(str(line.get("mcp_method", "")), str(line.get("mcp_name", "")))
    yield "network.transport", "tcp"
    if target is not None and target.ingress:
        yield "devwiz_gw.upstream", str(line.get("upstream", ""))
    else:
        yield from _far_side(line, target)
    if error := _error_type(line, is_server=target is not None and target.ingress):
        yield "error.type", error
    for key, name in _OURS.items():
        if key in line and line[key] != "":
            yield f"devwiz_gw.{name}", line[key]


#: What lines tell besides, by what it is called in spans.
_OURS: Final = {
    "id": "request_id",
    "route": "route",
    "caller": "caller",
    "stage": "stage",
    "peer": "peer",
    "tls_group": "tls_group",
    "generation": "generation",
    "reused": "reused",
    "replayed": "replayed",
    "token_refreshed": "token_refreshed",
    "first_byte_ms": "first_byte_ms",
    "bytes_up": "bytes_up",
    "bytes_down": "bytes_down",
}


def _http(line: Mapping[str, Any], target: Target | None) -> Iterator[tuple[str, Value]]:
    method = str(line.get("method", ""))
    yield "http.request.method", method if method in _METHODS else "_OTHER"
    if method not in _METHODS:
        yield "http.request.method_original", method
    if line.get("status"):
        yield "http.response.status_code", int(line["status"])
    path = str(line.get("path", ""))
    if target is None or target.ingress:
        yield "url.path", path
        yield "url.scheme", "https"
    else:
        yield "url.full", f"{target.url}{path}"
    yield "network.protocol.name", "http"
    yield "network.protocol.version", "1.1"


def _mcp(method: str, name: str) -> Iterator[tuple[str, Value]]:
    if not method:
        return
    yield "mcp.method.name", method
    if method == "tools/call":
        yield "gen_ai.operation.name", "execute_tool"
    if name and method in _NAMED:
        yield _NAMED[method], name
    elif name and method.startswith(_OF_RESOURCES):
        yield "mcp.resource.uri", name


def _far_side(line: Mapping[str, Any], target: Target | None) -> Iterator[tuple[str, Value]]:
    """Whom the route calls, and the address that carried the request."""
    if target is not None:
        yield "server.address", target.address
        yield "server.port", target.port
    host, _, port = str(line.get("upstream", "")).rpartition(":")
    if host:
        yield "network.peer.address", host.strip("[]")
        yield "network.peer.port", int(port)


def _error_type(line: Mapping[str, Any], *, is_server: bool) -> str:
    """The gateway's reason, or the status where that is an error to this side of the call."""
    reason, status = str(line.get("reason", "")), int(line.get("status", 0))
    if reason:
        return reason
    return str(status) if status >= (500 if is_server else 400) else ""


def encoded(attributes: Iterable[tuple[str, Value]]) -> list[dict[str, Any]]:
    """Attributes as OTLP/JSON has them, but for values that it has no place for."""
    values = ((key, _value(value)) for key, value in attributes)
    return [{"key": key, "value": value} for key, value in values if value is not None]


def _value(value: object) -> dict[str, Value] | None:
    match value:
        case bool():
            return {"boolValue": value}
        case int() if abs(value) < _MOST_INTEGER:
            return {"intValue": str(value)}
        case float() if math.isfinite(value):
            return {"doubleValue": value}
        case str():
            return {"stringValue": _sane(value)}
        case _:
            return None


def _sane(text: str) -> str:
    """Text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def request_body(
    resource: Mapping[str, Value], version: str, spans: Sequence[Mapping[str, Any]]
) -> bytes:
    """An ExportTraceServiceRequest: all spans are of one process."""
    scope = {"scope": {"name": "devwiz-gw", "version": version}, "spans": spans}
    described = {"resource": {"attributes": encoded(resource.items())}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [described]}, separators=(",", ":")).encode()


def spans_of(
    lines: bytes, targets: Mapping[str, Target], *, ratio: float, rng: Randomness
) -> list[dict[str, Any]]:
    """The spans of newline-terminated lines; what isn't a request's line is left out."""
    spans = []
    for text in lines.splitlines():
        try:
            line = json.loads(text)
            span = span_of(line, targets.get(line["route"]), ratio=ratio, rng=rng)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            continue
        if span is not None:
            spans.append(span)
    return spans
