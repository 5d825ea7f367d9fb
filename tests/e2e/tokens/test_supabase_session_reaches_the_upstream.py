"""A person signs in, and the upstream gets that session's access token for as long as it lasts."""

from __future__ import annotations

import json
import time

import jwt

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.signed_in import LIFE_S, sign_in, until_code
from tests.fakes.supabase_auth import EMAIL, SupabaseAuth


def sent(upstream: ScriptedUpstream) -> str:
    """The access token that the upstream saw last."""
    return upstream.requests[-1].fields["authorization"].removeprefix("Bearer ")


def test_from_signing_in_to_signing_out(
    gateway: GatewayProcess, upstream: ScriptedUpstream, server: SupabaseAuth
) -> None:
    server.life_s = LIFE_S
    sign_in(gateway)
    gateway.start()
    gateway.until_ready()
    until_code(gateway, 200)
    first = sent(upstream)
    assert jwt.decode(first, options={"verify_signature": False})["sub"] == server.user_id
    deadline = time.monotonic() + 2 * DEADLINE_S
    while sent(upstream) == first:
        assert time.monotonic() < deadline
        until_code(gateway, 200)
        time.sleep(0.05)
    status = json.loads(gateway.command("login", "--status", "--json").stdout)
    (login,) = status["logins"]
    assert (login["name"], login["who"], login["is_good"]) == ("supabase", EMAIL, True)
    done = gateway.command("logout", "supabase")
    assert (done.returncode, done.stderr) == (0, f"signed out of {server.url}\n")
    assert server.active_refresh_tokens == []
    assert b"nobody is signed in" in until_code(gateway, 503)
    assert gateway.command("login", "--status").returncode == 1
    told = [json.dumps([gateway.status(), gateway.log(), gateway.audit()])]
    assert first not in told[0]
    assert sent(upstream) not in told[0]
    actions = [(line["action"], line["outcome"]) for line in gateway.audit()]
    accounts = {line["action"]: line["user"].get("account") for line in gateway.audit()}
    assert accounts["gateway.start"] == server.user_id
    assert accounts["session.list"] is None
    for action in ("session.begin", "session.end"):
        assert (action, "ok") in actions
