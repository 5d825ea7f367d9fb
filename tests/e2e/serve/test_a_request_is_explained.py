"""`devwiz-gw explain` tells what became of a request by the id that its caller got."""

from __future__ import annotations

import json

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALL = b'{"method":"tools/call","params":{"name":"sum","arguments":{"pin":1234}}}'


def test_a_failure_a_success_and_a_trace(gateway: GatewayProcess) -> None:
    gateway.start()
    gateway.until_ready()
    assert "no failure is remembered" in gateway.command("explain").stderr
    status, body = gateway.request("GET", "/secret?token=hush", headers={"Origin": "null"})
    problem = json.loads(body)
    assert status == 403
    assert f"devwiz-gw explain {problem['request_id']}" in problem["remedy"]
    told = gateway.command("explain", problem["request_id"])
    assert told.returncode == 0
    for part in (problem["request_id"], "GET /secret", "foreign_origin", "allowed_origins"):
        assert part in told.stdout
    trace = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    assert gateway.request("POST", "/mcp", body=CALL, headers=trace)[0] == 200
    shown = gateway.command("explain", TRACE_ID)
    serial = gateway.status()["identity"]["serial"]
    for part in ("tools/call sum", "dns:localhost", "made for it", serial, SPIFFE_ID, "200, first"):
        assert part in shown.stdout
    everything = told.stdout + shown.stdout + gateway.command("explain", "--all", "--json").stdout
    assert "hush" not in everything
    assert "1234" not in everything
    (failure,) = json.loads(gateway.command("explain", "--json").stdout)["requests"]
    assert failure["id"] == problem["request_id"]
    gone = gateway.command("explain", "0-0")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "still under way, or too long ago" in gone.stderr
    assert "an id of that one" in gone.stderr  # of a gateway before the upstream


def test_an_upstream_that_refuses_the_certificate(
    gateway: GatewayProcess, authority: Authority
) -> None:
    context = server_context(authority.issue("localhost"), Authority())
    with ScriptedUpstream(context, answering(echo)) as upstream:
        gateway.configure(
            more=f"""
[[routes]]
name = "strict"
listen = "127.0.0.1:0"
upstream = "https://localhost:{upstream.port}"
"""
        )
        gateway.start()
        gateway.until_ready()
        strict = gateway.status()["routes"][1]["listeners"][0]
        said = {"Mcp-Method": "tools/call", "Mcp-Name": "sum"}
        status, body = gateway.request("POST", "/mcp", at=strict, body=CALL, headers=said)
    problem = json.loads(body)
    assert (status, problem["stage"]) == (502, "certificate")
    shown = json.loads(gateway.command("explain", problem["request_id"], "--json").stdout)
    (document,) = shown["requests"]
    request = document["request"]
    assert (request["mcp_method"], request["mcp_name"]) == ("tools/call", "sum")
    assert (request["reason"], request["generation"]) == ("certificate_refused", 1)
    assert document["certificate"]["serial"] == gateway.status()["identity"]["serial"]
    assert document["alerts"][0]["alert"] == "unknown ca"
    assert document["alerts"][0]["generation"] == 1


def test_failures_are_remembered_with_the_access_log_off(gateway: GatewayProcess) -> None:
    text = gateway.config.read_text().replace("[log]", "[log]\naccess = false")
    gateway.configure(text)
    gateway.start()
    gateway.until_ready()
    assert gateway.request("GET", "/", headers={"Origin": "null"})[0] == 403
    assert gateway.request("POST", "/", body=b"x")[0] == 200
    (failure,) = json.loads(gateway.command("explain", "--all", "--json").stdout)["requests"]
    assert failure["reason"] == "foreign_origin"
    assert all("event" not in line or line["event"] != "request" for line in gateway.log())
