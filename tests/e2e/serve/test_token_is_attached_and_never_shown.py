"""A route's token reaches the upstream, and neither the client nor any file of the gateway."""

from __future__ import annotations

import json
import signal

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream

TOKEN = "s3cret-token-of-the-planner"
HEADERS = """
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
[secrets]
store = "folder"
folder = "secrets"
"""


def put_secret(gateway: GatewayProcess) -> None:
    folder = gateway.folder / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "planner-token").touch(0o600)
    (folder / "planner-token").write_text(TOKEN)


def test_the_upstream_gets_it_and_nobody_else(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    put_secret(gateway)
    gateway.configure(more=HEADERS)
    gateway.start()
    body = gateway.until_ready()
    assert body["secrets"] == [{"name": "planner-token", "route": "planner", "state": "ready"}]
    code, _ = gateway.request("POST", body=b"x", headers={"Authorization": "Bearer mine"})
    assert code == 200
    assert upstream.requests[0].fields["authorization"] == f"Bearer {TOKEN}"
    shown = json.dumps([body, gateway.status(), gateway.ask("GET", "/metrics")])
    gateway.signal(signal.SIGTERM)
    code, out, err = gateway.wait()
    assert code == 0
    written = [path.read_text() for path in (gateway.folder / "gw.log",)]
    assert TOKEN not in "\n".join([shown, out, err, *written, json.dumps(gateway.audit())])
    uses = [line for line in gateway.audit() if line["action"] == "secret.use"]
    assert [(line["name"], line["reason"]) for line in uses] == [("planner-token", "planner")]


def test_a_missing_secret_is_503_naming_the_reference(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    (gateway.folder / "secrets").mkdir(mode=0o700)
    gateway.configure(more=HEADERS)
    gateway.start()
    gateway.until(lambda body: "not set" in str(body["routes"][0]["unavailable"]))
    code, answer = gateway.request()
    assert code == 503
    assert "planner-token" in answer.decode()
    assert upstream.requests == []
