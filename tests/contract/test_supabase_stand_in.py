"""What Supabase's own clients make of the stand-in by which our client is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import require_program
from tests.fakes.supabase_auth import EMAIL, KEY, PASSWORD, SupabaseAuth

TIMEOUT_S = 50

IN_PYTHON = """
import json, sys
from supabase_auth import SyncGoTrueClient
from supabase_auth.errors import AuthApiError

url, key, email, password = sys.argv[1:5]
client = SyncGoTrueClient(url=url + "/auth/v1", headers={"apikey": key}, auto_refresh_token=False,
                          persist_session=False)

def code(call):
    try:
        call()
    except AuthApiError as error:
        return [error.code, error.status]

said = {"wrong": code(lambda: client.sign_in_with_password({"email": email, "password": "no"}))}
first = client.sign_in_with_password({"email": email, "password": password}).session
said["user"] = client.get_user(first.access_token).user.id
said["claims"] = client.get_claims(first.access_token)["claims"]["sub"]
second = client.refresh_session(first.refresh_token).session
again = client.refresh_session(first.refresh_token).session
said["parent_answers_active"] = again.refresh_token == second.refresh_token
third = client.refresh_session(second.refresh_token).session
said["swapped"] = len({s.refresh_token for s in (first, second, third)})
print("waiting", flush=True)
input()
said["reuse"] = code(lambda: client.refresh_session(first.refresh_token))
said["family"] = code(lambda: client.refresh_session(third.refresh_token))
last = client.sign_in_with_password({"email": email, "password": password}).session
client.admin.sign_out(last.access_token, "local")
print(json.dumps(said))
"""

IN_NODE = """
const { GoTrueClient } = require('@supabase/auth-js')
const [url, key, email, password] = process.argv.slice(2)
const once = () => new Promise((done) => process.stdin.once('data', done))

async function main() {
  const client = new GoTrueClient({
    url: url + '/auth/v1', headers: { apikey: key }, autoRefreshToken: false, persistSession: false,
    flowType: 'pkce',
  })
  const code = async (call) => {
    const { error } = await call()
    return error && [error.code, error.status]
  }
  const refreshed = (token) => client.refreshSession({ refresh_token: token })
  const refresh = async (token) => (await refreshed(token)).data.session
  const said = {}
  said.wrong = await code(() => client.signInWithPassword({ email, password: 'no' }))
  const first = (await client.signInWithPassword({ email, password })).data.session
  said.user = (await client.getUser(first.access_token)).data.user.id
  said.claims = (await client.getClaims(first.access_token)).data.claims.sub
  const second = await refresh(first.refresh_token)
  const again = await refresh(first.refresh_token)
  said.parent_answers_active = again.refresh_token === second.refresh_token
  const third = await refresh(second.refresh_token)
  said.swapped = new Set([first, second, third].map((s) => s.refresh_token)).size
  console.log('waiting')
  await once()
  said.reuse = await code(() => refreshed(first.refresh_token))
  said.family = await code(() => refreshed(third.refresh_token))
  const oauth = await client.signInWithOAuth({
    provider: 'github',
    options: { redirectTo: 'http://127.0.0.1:1/callback', skipBrowserRedirect: true },
  })
  const back = (await fetch(oauth.data.url, { redirect: 'manual' })).headers.get('location')
  said.back = back.split('?')[0]
  const exchanged = await client.exchangeCodeForSession(new URL(back).searchParams.get('code'))
  said.pkce = exchanged.data.user.id
  const last = exchanged.data.session.access_token
  said.signed_out = await code(() => client.admin.signOut(last, 'local'))
  console.log(JSON.stringify(said))
  process.exit(0)
}
main()
"""


@pytest.fixture
def server() -> Iterator[SupabaseAuth]:
    with SupabaseAuth() as made:
        yield made


def said_by(server: SupabaseAuth, *command: str, env: dict[str, str]) -> dict[str, Any]:
    """What a client printed; when it has refreshed twice, half a minute passes."""
    process = subprocess.Popen(
        [*command, server.url, KEY, EMAIL, PASSWORD],
        env=os.environ | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "waiting\n", process.communicate(timeout=TIMEOUT_S)
    server.ahead_s += 30
    out, err = process.communicate("\n", timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    said: dict[str, Any] = json.loads(out)
    return said


def check(server: SupabaseAuth, said: dict[str, Any]) -> None:
    """What the real server makes its clients see."""
    assert said["wrong"] == ["invalid_credentials", 400]
    assert said["user"] == said["claims"] == server.user_id
    assert said["parent_answers_active"] is True
    assert said["swapped"] == 3
    assert said["reuse"] == said["family"] == ["refresh_token_already_used", 400]
    assert server.active_refresh_tokens == []


@pytest.mark.program("supabase-auth")
def test_the_python_client(server: SupabaseAuth) -> None:
    folder = require_program("supabase-auth")
    said = said_by(server, sys.executable, "-c", IN_PYTHON, env={"PYTHONPATH": str(folder)})
    check(server, said)


@pytest.mark.program("node")
@pytest.mark.program("supabase-js")
def test_the_javascript_client(server: SupabaseAuth, tmp_path: Path) -> None:
    folder = require_program("supabase-js")
    script = tmp_path / "client.js"
    script.write_text(IN_NODE)
    env = {"NODE_PATH": str(folder / "node_modules")}
    said = said_by(server, str(require_program("node")), str(script), env=env)
    assert said["back"] == "http://127.0.0.1:1/callback"
    assert said["pkce"] == server.user_id
    assert said["signed_out"] is None
    check(server, said)
