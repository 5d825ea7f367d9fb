"""A person signs in, and the upstream gets that session's access token for as long as it lasts."""

from __future__ import annotations

import json
import time

import jwt

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.supabase_auth import EMAIL, PASSWORD, SupabaseAuth

#: Of access tokens: they are refreshed after half of it.
LIFE_S = 3


def sign_in(gateway: GatewayProcess) -> None:
    done = gateway.command("login", "supabase", "--email", EMAIL, said=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    assert f"as {EMAIL}" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def until_code(gateway: GatewayProcess, code: int) -> bytes:
    deadline = time.monotonic() + 2 * DEADLINE_S
    while True:
        got, body = gateway.request("POST", body=b"x")
        if got == code:
            return body
        assert time.monotonic() < deadline, (got, body)
        time.sleep(0.05)


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
    for action in ("session.begin", "session.end"):
        assert (action, "ok") in actions


def test_reuse_ends_it_and_signing_in_again_mends_it(
    gateway: GatewayProcess, upstream: ScriptedUpstream, server: SupabaseAuth
) -> None:
    sign_in(gateway)
    (stolen,) = server.active_refresh_tokens
    server.life_s = LIFE_S
    taken = gateway.command("login", "supabase", "--refresh-token", said=stolen)
    assert taken.returncode == 0, taken.stderr
    gateway.start()
    gateway.until_ready()
    deadline = time.monotonic() + 2 * DEADLINE_S
    while server.refreshes < 3:
        assert time.monotonic() < deadline
        until_code(gateway, 200)
    server.ahead_s = 20  # the reuse interval is over
    thief = gateway.command("login", "supabase", "--refresh-token", said=stolen)
    assert thief.returncode == 1
    assert "in other hands" in thief.stderr
    answer = until_code(gateway, 503).decode()
    assert "in other hands" in answer
    assert "devwiz-gw login supabase" in answer
    assert "in other hands" in gateway.command("login", "--status").stdout
    server.ahead_s = 0
    sign_in(gateway)
    until_code(gateway, 200)
