"""`login supabase --provider` sends the browser away, and keeps what it brings back."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from urllib.parse import urlsplit

from tests.fakes.gateway_process import COMMAND, GatewayProcess
from tests.fakes.supabase_auth import EMAIL, SupabaseAuth


def visit(url: str) -> tuple[int, str]:
    """Status and `Location` of one page."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("GET", f"{parts.path}?{parts.query}")
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status, reply.headers.get("Location", "")


def test_the_session_is_kept(gateway: GatewayProcess, server: SupabaseAuth) -> None:
    nobody = gateway.command("logout", "supabase")
    assert (nobody.returncode, "nobody is signed in" in nobody.stderr) == (1, True)
    arguments = ("login", "supabase", "--provider", "github", "--no-browser")
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--config", str(gateway.config)],
        env=os.environ | gateway.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("sign in at "), line + process.stderr.read()
    status, back = visit(line.removeprefix("sign in at ").strip())
    assert status == 302
    elsewhere = back.partition("?")[0]
    assert visit(f"{elsewhere}?code=somebody-else-s")[0] == 400
    assert visit(f"{elsewhere}?error=access_denied&state=no")[0] == 400
    assert visit(back)[0] == 200
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, ""), err
    assert f"as {EMAIL}" in err
    listed = json.loads(gateway.command("login", "--status", "--json").stdout)
    assert listed["logins"][0]["state"] == "signed in"
    assert len(server.active_refresh_tokens) == 1
    assert gateway.command("secret", "list").stdout == ""
