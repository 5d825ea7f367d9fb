"""Each request becomes a span at an OTLP collector, as a part of its caller's trace."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.otlp_collector import OtlpCollector, plain

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sum"}}'

pytestmark = pytest.mark.may_block("the test drives other processes")


def configured(gateway: GatewayProcess, collector: OtlpCollector, more: str = "") -> None:
    text = gateway.config.read_text().replace('file = "gw.log"', 'file = "gw.log"\naccess = false')
    gateway.configure(
        text,
        more=f"""
[telemetry]
otlp_endpoint = "{collector.endpoint}"
{more}
""",
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_call_of_a_tool(gateway: GatewayProcess) -> None:
    async with OtlpCollector() as collector:
        configured(gateway, collector)
        gateway.start()
        await asyncio.to_thread(gateway.until_ready)
        trace = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        ask: Any = gateway.request
        await asyncio.to_thread(ask, "POST", "/mcp?key=hush", body=CALL, headers=trace)
        await asyncio.to_thread(ask, "GET", "/", headers={"Origin": "null"})
        await until(lambda: len(collector.spans) == 2)
        call, refused = collector.spans
        assert (call.name, call.trace_id.hex()) == ("tools/call sum", TRACE_ID)
        assert call.parent_span_id.hex() == PARENT_ID
        attributes = plain(call.attributes)
        assert attributes["gen_ai.tool.name"] == "sum"
        assert attributes["http.response.status_code"] == 200
        assert attributes["server.address"] == "localhost"
        assert attributes["url.full"].endswith("/mcp")
        assert attributes["devwiz_gw.generation"] == 1
        assert plain(refused.attributes)["error.type"] == "foreign_origin"
        assert not refused.parent_span_id
        assert collector.resource["service.namespace"] == "acme"
        assert "hush" not in str(collector.spans)
        _, metrics = await asyncio.to_thread(gateway.ask, "GET", "/metrics")
        assert 'devwiz_gw_otlp_spans_total{result="sent"} 2\n' in metrics
        # The log stays as it was wished: what the exporter needs is not written.
        assert all(line.get("event") != "request" for line in gateway.log())
        gateway.signal(signal.SIGTERM)
        assert (await asyncio.to_thread(gateway.wait))[0] == 0


async def test_the_last_request_is_sent_before_the_end(gateway: GatewayProcess) -> None:
    async with OtlpCollector() as collector:
        configured(gateway, collector)
        gateway.start()
        await asyncio.to_thread(gateway.until_ready)
        await asyncio.to_thread(gateway.request, "GET", "/last")
        gateway.signal(signal.SIGTERM)
        assert (await asyncio.to_thread(gateway.wait))[0] == 0
        assert [plain(span.attributes)["url.full"][-5:] for span in collector.spans] == ["/last"]


async def test_a_header_s_secret_is_on_paper_and_nowhere_else(gateway: GatewayProcess) -> None:
    async with OtlpCollector() as collector:
        secrets = gateway.folder / "secrets"
        secrets.mkdir()
        (secrets / "otlp-token").write_text("hush-hush-hush")
        configured(
            gateway,
            collector,
            """
[telemetry.otlp_headers]
Authorization = "Bearer {secret:otlp-token}"
[secrets]
store = "folder"
folder = "secrets"
""",
        )
        gateway.start()
        await asyncio.to_thread(gateway.until_ready)
        await asyncio.to_thread(gateway.request, "GET", "/")
        await until(lambda: len(collector.spans) == 1)
        assert collector.requests[0]["Authorization"] == "Bearer hush-hush-hush"
        uses = [line for line in gateway.audit() if line["action"] == "secret.use"]
        assert [(line["name"], line["reason"]) for line in uses] == [("otlp-token", "[telemetry]")]
        body = (await asyncio.to_thread(gateway.ask, "GET", "/status"))[1]
        (secret,) = body["secrets"]
        assert (secret["name"], secret["route"], secret["state"]) == (
            *("otlp-token", "[telemetry]"),
            "ready",
        )
        told = json.dumps([body, gateway.log(), gateway.audit()])
        assert "hush" not in told
        listed = await asyncio.to_thread(gateway.command, "secret", "list")
        assert "[telemetry]" in listed.stdout


async def test_a_reload_begins_and_ends_it(gateway: GatewayProcess) -> None:
    before = gateway.config.read_text()
    gateway.start()
    await asyncio.to_thread(gateway.until_ready)
    await asyncio.to_thread(gateway.request, "GET", "/")
    await asyncio.to_thread(gateway.status)  # the worker has told of it
    async with OtlpCollector() as collector:
        configured(gateway, collector)
        assert (await asyncio.to_thread(gateway.command, "reload")).returncode == 0
        await asyncio.to_thread(gateway.request, "GET", "/with")
        await until(lambda: len(collector.spans) == 1)
        gateway.configure(before)
        assert (await asyncio.to_thread(gateway.command, "reload")).returncode == 0
        await asyncio.to_thread(gateway.request, "GET", "/without")
        await asyncio.to_thread(gateway.until_ready)
        gateway.signal(signal.SIGTERM)
        assert (await asyncio.to_thread(gateway.wait))[0] == 0
        assert len(collector.spans) == 1
