"""Programs get access tokens of the session that the running gateway uses, and don't end it."""

from __future__ import annotations

import os
import subprocess

import jwt

from tests.fakes.gateway_process import COMMAND, DEADLINE_S, GatewayProcess
from tests.fakes.signed_in import LIFE_S, sign_in, until_code
from tests.fakes.supabase_auth import SupabaseAuth

MANIFEST = """
[run.env]
ACCESS_TOKEN = "token:supabase"
"""


def begin(gateway: GatewayProcess) -> subprocess.Popen[str]:
    words = [*COMMAND, "run", "--config", str(gateway.config), "--", "printenv", "ACCESS_TOKEN"]
    return subprocess.Popen(
        words,
        env=os.environ | gateway.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def token(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=2 * DEADLINE_S)
    assert process.returncode == 0, err
    return out.strip()


def test_several_at_once_beside_the_gateway(gateway: GatewayProcess, server: SupabaseAuth) -> None:
    server.life_s = LIFE_S
    gateway.write_config(gateway.config.read_text() + MANIFEST)
    sign_in(gateway)
    gateway.start()
    gateway.until_ready()
    until_code(gateway, 200)
    got = [token(process) for process in [begin(gateway) for _ in range(3)]]
    got.append(token(begin(gateway)))
    for text in got:
        assert jwt.decode(text, options={"verify_signature": False})["sub"] == server.user_id
        assert text not in str(gateway.audit())
    assert len(server.active_refresh_tokens) == 1
    until_code(gateway, 200)
    assert gateway.command("logout", "supabase").returncode == 0
    with begin(gateway) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (1, "")
    assert "the token supabase can't be had: " in err
