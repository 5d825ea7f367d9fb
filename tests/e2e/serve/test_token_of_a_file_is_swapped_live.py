"""A token that somebody else renews reaches the upstream without a reload, on open connections."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream

CONFIG = """
[routes.headers]
Authorization = "Bearer {token:idp}"
[tokens.idp]
source = "file"
path = "token"
"""


def put(folder: Path, token: str) -> None:
    fresh = folder / "token.new"
    fresh.touch(0o600)
    fresh.write_text(token)
    fresh.rename(folder / "token")


def test_the_next_request_has_the_next_token(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    put(gateway.folder, "first-token-of-the-idp")
    gateway.configure(more=CONFIG)
    gateway.start()
    body = gateway.until_ready()
    assert body["secrets"] == [{"name": "token:idp", "route": "planner", "state": "ready"}]
    connection = http.client.HTTPConnection(gateway.address(), timeout=DEADLINE_S)
    seen: list[str] = []
    put_second = False
    deadline = time.monotonic() + 2 * DEADLINE_S
    while "Bearer second-token-of-the-idp" not in seen:
        assert time.monotonic() < deadline, seen
        connection.request("POST", "/", body=b"x", headers={"Authorization": "Bearer mine"})
        assert connection.getresponse().read() is not None
        seen.append(upstream.requests[-1].fields["authorization"])
        if not put_second:
            put(gateway.folder, "second-token-of-the-idp")
            put_second = True
        time.sleep(0.05)
    connection.close()
    assert set(seen) == {"Bearer first-token-of-the-idp", "Bearer second-token-of-the-idp"}
    told = json.dumps([gateway.status(), gateway.log(), gateway.audit()])
    assert "-token-of-the-idp" not in told
    uses = [line for line in gateway.audit() if line["action"] == "token.use"]
    assert [(line["name"], line["reason"]) for line in uses] == [("idp", "planner")] * 2
