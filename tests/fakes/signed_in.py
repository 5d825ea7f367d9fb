"""A person who signs a gateway in to Supabase, and what comes of it."""

from __future__ import annotations

import time

from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.supabase_auth import EMAIL, PASSWORD

#: Of access tokens: they are refreshed after half of it.
LIFE_S = 3


def sign_in(gateway: GatewayProcess) -> None:
    """By password."""
    done = gateway.command("login", "supabase", "--email", EMAIL, said=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    assert f"as {EMAIL}" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def until_code(gateway: GatewayProcess, code: int) -> bytes:
    """Send requests until one is answered so; its body."""
    deadline = time.monotonic() + 2 * DEADLINE_S
    while True:
        got, body = gateway.request("POST", body=b"x")
        if got == code:
            return body
        assert time.monotonic() < deadline, (got, body)
        time.sleep(0.05)
