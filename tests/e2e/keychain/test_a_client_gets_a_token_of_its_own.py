"""`client print --token` makes a token, the keychain keeps it, and the gateway knows the client by
it: what was printed works as it is.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import require_component
from tests.e2e.keychain.conftest import Desktop
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, response

TOKEN = re.compile(r"dwgw_[A-Za-z0-9_-]{43}")
ALLOW = '[[routes.allow]]\ntoken = "ide"\n'


@pytest.fixture
def gateway(desktop: Desktop, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Configured on that desktop, not started."""
    authority = Authority()
    folder = tmp_path / "gateway"
    folder.mkdir()
    context = server_context(authority.issue("localhost"), authority)
    with (
        ScriptedUpstream(context, answering(lambda _: response(b"served"))) as upstream,
        GatewayProcess(folder, authority, upstream_port=upstream.port) as gateway,
    ):
        gateway.env |= desktop.env
        yield gateway


def ask(gateway: GatewayProcess, token: str = "") -> int:
    headers = {"X-Devwiz-Gw-Token": token} if token else {}
    return gateway.request(headers=headers)[0]


def test_a_token_is_made_printed_once_and_works(gateway: GatewayProcess) -> None:
    require_component("curl")
    gateway.configure(more=ALLOW)
    gateway.start()
    gateway.until(lambda body: bool(body["routes"][0]["listeners"]))
    assert ask(gateway) == 403
    printed = gateway.command("client", "print", "planner", "--client", "curl", "--token", "ide")
    assert (printed.returncode, printed.stderr.count("devwiz-gw reload")) == (0, 1)
    (token,) = TOKEN.findall(printed.stdout)
    assert gateway.command("reload").returncode == 0
    done = subprocess.run(
        ["sh", "-c", printed.stdout], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "served"
    assert ask(gateway, token + "x") == 403
    listed = json.loads(gateway.command("secret", "list", "--json").stdout)["secrets"]
    assert listed == [{"name": "local-token.ide", "kept": True, "routes": ["planner"]}]


def test_a_token_is_replaced_only_when_that_is_asked_for(gateway: GatewayProcess) -> None:
    gateway.configure(more=ALLOW)
    gateway.start()
    gateway.until(lambda body: bool(body["routes"][0]["listeners"]))
    first = gateway.command("client", "print", "planner", "--token", "ide", "--json")
    old = json.loads(first.stdout)["headers"]["X-Devwiz-Gw-Token"]
    again = gateway.command("client", "print", "planner", "--token", "ide")
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is a token ide already" in again.stderr
    gateway.command("reload")
    assert ask(gateway, old) == 200
    rotated = gateway.command("client", "print", "planner", "--token", "ide", "--rotate")
    (new,) = TOKEN.findall(rotated.stdout)
    gateway.command("reload")
    assert (ask(gateway, old), ask(gateway, new)) == (403, 200)


def test_a_rule_that_is_missing_is_told(gateway: GatewayProcess) -> None:
    gateway.configure(listen="127.0.0.1:8701")
    printed = gateway.command("client", "print", "planner", "--token", "ide")
    assert printed.returncode == 0
    assert printed.stderr.endswith(f"\n\n{ALLOW}")
    gateway.configure(listen="127.0.0.1:8701", more=ALLOW)
    assert gateway.command("config", "check").returncode == 0
