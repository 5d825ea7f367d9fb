"""A route whose secret is missing answers 503 with the secret's name, until it is set."""

from __future__ import annotations

import json
from http.client import HTTPConnection

from tests.e2e.conftest import StartStack

CONFIG = """
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
[secrets]
store = "folder"
folder = "secrets"
"""


def test_a_reload_takes_it_in(start_stack: StartStack) -> None:
    stack = start_stack()
    gateway = stack.gateway
    (gateway.folder / "secrets").mkdir(mode=0o700)
    gateway.configure(more=CONFIG + gateway.route("plain"))
    gateway.start()
    body = gateway.until(lambda body: body["state"] == "degraded")
    assert "planner-token is not set" in body["reasons"][0]
    planner, plain = (route["listeners"][0] for route in body["routes"])
    connection = HTTPConnection(planner, timeout=10)
    connection.request("GET", "/echo")
    reply = connection.getresponse()
    problem = json.loads(reply.read())
    assert (reply.status, problem["stage"], problem["route"]) == (503, "route", "planner")
    assert "planner-token" in problem["detail"]
    assert int(reply.getheader("Retry-After") or "0") > 0
    assert stack.agent.headers == [], "a request without its token is never sent"
    assert gateway.request("GET", "/echo", at=plain)[0] == 200, "other routes are not concerned"
    secret = gateway.folder / "secrets" / "planner-token"
    secret.touch(0o600)
    secret.write_text("the-value\n")
    assert gateway.command("reload").returncode == 0
    connection.request("GET", "/echo")
    assert connection.getresponse().status == 200
    connection.close()
    assert dict(stack.agent.headers[-1])["Authorization"] == "Bearer the-value"
    assert gateway.command("status").returncode == 0
