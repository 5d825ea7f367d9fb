"""When an old refresh token is seen again the route loses its token, until somebody signs in."""

from __future__ import annotations

import time

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.signed_in import LIFE_S, sign_in, until_code
from tests.fakes.supabase_auth import SupabaseAuth


def test_reuse_ends_it_and_signing_in_again_mends_it(
    gateway: GatewayProcess, server: SupabaseAuth
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
    assert "account" not in gateway.audit()[-1]["user"]
    server.ahead_s = 0
    sign_in(gateway)
    until_code(gateway, 200)
