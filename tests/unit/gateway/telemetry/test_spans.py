"""`gateway.telemetry.spans`: read with the protocol's own messages."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.telemetry.spans import Target, Value, request_body, span_of, spans_of
from tests.fakes.otlp_collector import OtlpCollector, plain

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LINE: dict[str, Any] = {
    "ts": "2026-03-01T12:00:00.123Z",
    "event": "request",
    "id": "ab-1",
    "route": "planner",
    "caller": "uid:1000",
    "connection_age_ms": 5210,
    "method": "POST",
    "path": "/mcp",
    "mcp_method": "",
    "mcp_name": "",
    "traceparent": "",
    "status": 200,
    "reason": "",
    "bytes_up": 148,
    "bytes_down": 310,
    "first_byte_ms": 12.114,
    "total_ms": 12.301,
    "upstream": "10.0.0.7:8443",
    "peer": "dns:planner",
    "tls_group": "X25519",
    "generation": 4,
    "upstream_age_ms": 48120,
    "reused": True,
    "replayed": False,
    "token_refreshed": False,
}
AWAY = Target(url="https://planner.example.com:8443", address="planner.example.com", port=8443)
HERE = Target(url="http://127.0.0.1:9000", address="127.0.0.1", port=9000, ingress=True)
RESOURCE: dict[str, Value] = {"service.name": "devwiz-gw", "process.pid": 7}


def read(*lines: dict[str, Any], target: Target | None = AWAY, ratio: float = 1.0) -> list[Span]:
    """The spans as a collector reads them."""
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    targets = {} if target is None else {"planner": target}
    spans = spans_of(text, targets, ratio=ratio, rng=random.Random(1))
    if not spans:
        return []
    return OtlpCollector()._read(json.loads(request_body(RESOURCE, "1.2.3", spans)))


def only(target: Target | None = AWAY, **line: Any) -> tuple[Span, dict[str, Any]]:
    (span,) = read(LINE | line, target=target)
    return span, plain(span.attributes)


def test_a_request_is_a_client_span_of_http() -> None:
    span, attributes = only()
    assert (span.name, span.kind) == ("POST", Span.SPAN_KIND_CLIENT)
    assert span.status == Status()
    assert attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.full": "https://planner.example.com:8443/mcp",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "network.transport": "tcp",
        "server.address": "planner.example.com",
        "server.port": 8443,
        "network.peer.address": "10.0.0.7",
        "network.peer.port": 8443,
        "devwiz_gw.request_id": "ab-1",
        "devwiz_gw.route": "planner",
        "devwiz_gw.caller": "uid:1000",
        "devwiz_gw.peer": "dns:planner",
        "devwiz_gw.tls_group": "X25519",
        "devwiz_gw.generation": 4,
        "devwiz_gw.reused": True,
        "devwiz_gw.replayed": False,
        "devwiz_gw.token_refreshed": False,
        "devwiz_gw.first_byte_ms": 12.114,
        "devwiz_gw.bytes_up": 148,
        "devwiz_gw.bytes_down": 310,
    }


def test_it_lasts_from_the_first_byte_to_the_end() -> None:
    span, _ = only()
    end = datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)
    assert span.end_time_unix_nano == round(end.timestamp() * 1000) * 1_000_000
    assert span.end_time_unix_nano - span.start_time_unix_nano == 12_301_000


@pytest.mark.parametrize(
    ("method", "name", "span_name", "more"),
    [
        (
            "tools/call",
            "query",
            "tools/call query",
            {"gen_ai.tool.name": "query", "gen_ai.operation.name": "execute_tool"},
        ),
        ("tools/call", "", "tools/call", {"gen_ai.operation.name": "execute_tool"}),
        ("prompts/get", "plan", "prompts/get plan", {"gen_ai.prompt.name": "plan"}),
        ("resources/read", "file:///a", "resources/read", {"mcp.resource.uri": "file:///a"}),
        ("initialize", "", "initialize", {}),
    ],
)
def test_an_mcp_request_is_called_by_its_method(
    method: str, name: str, span_name: str, more: dict[str, str]
) -> None:
    span, attributes = only(mcp_method=method, mcp_name=name)
    assert span.name == span_name
    assert attributes["mcp.method.name"] == method
    found = {key: value for key, value in attributes.items() if key.startswith(("gen_ai", "mcp.r"))}
    assert found == more


def test_it_is_a_child_of_its_caller_s_span() -> None:
    span, _ = only(traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01")
    assert span.trace_id.hex() == TRACE_ID
    assert span.parent_span_id.hex() == PARENT_ID
    assert span.span_id.hex() != PARENT_ID
    assert span.flags == 0x301, "sampled, with a parent elsewhere"


def test_without_a_trace_it_begins_one() -> None:
    spans = read(LINE, LINE)
    assert not any(span.parent_span_id for span in spans)
    assert len({span.trace_id for span in spans}) == len({span.span_id for span in spans}) == 2
    assert [span.flags for span in spans] == [1, 1]


@pytest.mark.parametrize(
    "traceparent",
    [
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{PARENT_ID}",
        f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",
        "-" * 55,
    ],
)
def test_an_invalid_trace_is_none(traceparent: str) -> None:
    span, _ = only(traceparent=traceparent)
    assert span.trace_id.hex() != TRACE_ID
    assert not span.parent_span_id


def test_a_trace_that_its_caller_does_not_sample_is_not_sent() -> None:
    unsampled = LINE | {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"}
    assert read(unsampled, ratio=1.0) == []


def test_of_requests_without_a_trace_a_part_is_sent() -> None:
    assert read(*[LINE] * 100, ratio=0.0) == []
    assert 20 < len(read(*[LINE] * 100, ratio=0.5)) < 80
    of_trace = LINE | {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
    assert len(read(*[of_trace] * 10, ratio=0.0)) == 10


@pytest.mark.parametrize(
    ("line", "target", "error"),
    [
        ({"status": 502, "reason": "tls_failed", "detail": "no"}, AWAY, "tls_failed"),
        ({"status": 0, "reason": "client_closed", "detail": ""}, AWAY, "client_closed"),
        ({"status": 404}, AWAY, "404"),
        ({"status": 500}, HERE, "500"),
    ],
)
def test_a_failure_is_an_error(line: dict[str, Any], target: Target, error: str) -> None:
    span, attributes = only(target, **line)
    assert attributes["error.type"] == error
    assert span.status == Status(code=Status.STATUS_CODE_ERROR, message=line.get("detail", ""))
    assert ("http.response.status_code" in attributes) == bool(line["status"])


def test_a_client_error_is_none_of_a_server_s() -> None:
    span, attributes = only(HERE, status=404)
    assert "error.type" not in attributes
    assert span.status == Status()


def test_an_ingress_serves() -> None:
    caller = "spiffe://acme.example/agent/caller"
    span, attributes = only(HERE, caller=caller, upstream="127.0.0.1:9000")
    assert span.kind == Span.SPAN_KIND_SERVER
    assert (attributes["url.path"], attributes["url.scheme"]) == ("/mcp", "https")
    assert attributes["devwiz_gw.caller"] == caller
    assert attributes["devwiz_gw.upstream"] == "127.0.0.1:9000"
    assert not {"server.address", "network.peer.address", "url.full"} & attributes.keys()


def test_a_tunnel_of_bytes_is_no_http() -> None:
    span, attributes = only(method="TCP", path="-")
    assert span.name == "TCP"
    assert not any(key.startswith(("http.", "url.")) for key in attributes)
    assert attributes["network.transport"] == "tcp"


def test_an_odd_method_does_not_make_a_kind_of_its_own() -> None:
    span, attributes = only(method="BREW")
    assert span.name == "HTTP"
    assert attributes["http.request.method"] == "_OTHER"
    assert attributes["http.request.method_original"] == "BREW"


@pytest.mark.parametrize(
    ("upstream", "address", "port"),
    [("[2001:db8::1]:443", "2001:db8::1", 443), ("10.0.0.7:8443", "10.0.0.7", 8443)],
)
def test_the_far_address_is_told_apart(upstream: str, address: str, port: int) -> None:
    _, attributes = only(upstream=upstream)
    assert attributes["network.peer.address"] == address
    assert attributes["network.peer.port"] == port


def test_without_a_connection_or_a_route_there_is_less_to_tell() -> None:
    _, attributes = only(None, upstream="", route="gone")
    assert not {"server.address", "network.peer.address", "url.full"} & attributes.keys()
    assert attributes["url.path"] == "/mcp"


@given(
    st.dictionaries(
        st.sampled_from([*LINE, "detail", "stage"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]),
    )
    | st.lists(st.integers())
    | st.text()
)
def test_whatever_a_worker_writes_is_survived(value: Any) -> None:
    line = LINE | value if isinstance(value, dict) else value
    text = json.dumps(line).encode() + b"\nnot json\n" + json.dumps(LINE).encode() + b"\n"
    spans = spans_of(text, {"planner": AWAY}, ratio=1.0, rng=random.Random(1))
    taken = OtlpCollector()._read(json.loads(request_body(RESOURCE, "1", spans)))
    assert any(span.name == "POST" for span in taken)


def test_a_line_that_is_no_request_raises_in_its_place() -> None:
    with pytest.raises(KeyError):
        span_of({}, None, ratio=1.0, rng=random.Random(1))
