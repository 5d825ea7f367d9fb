"""The program that `client print --client langgraph` gives reaches the server, with a token or
without.
"""

from __future__ import annotations

import pytest

from gateway.clients.access import Access
from gateway.clients.formats import FORMATS
from tests.e2e.langgraph.conftest import LangGraph
from tests.fakes.langgraph_server import run_program
from tests.fakes.two_gateways import AGENT

pytestmark = pytest.mark.program("langgraph")

TOKEN = "dwgw_0123456789abcdef"
GUARDED = """
[[routes]]
name = "guarded"
listen = "127.0.0.1:0"
upstream = "https://{far}"
peer = ["{agent}"]
[routes.headers]
x-api-key = "{{secret:agent-key}}"
[[routes.allow]]
token = "ide"
"""


def test_it_finds_the_assistants(langgraph: LangGraph) -> None:
    arguments = ("client", "print", "outbound", "--client", "langgraph")
    printed = langgraph.gateways.near.command(*arguments)
    assert printed.returncode == 0, printed.stderr
    done = run_program(printed.stdout)
    assert done.returncode == 0, done.stderr
    assert "'graph_id': 'agent'" in done.stdout


def test_it_brings_a_token(langgraph: LangGraph) -> None:
    near, far = langgraph.gateways.near, langgraph.gateways.far
    (langgraph.secrets / "local-token.ide").touch(0o600)
    (langgraph.secrets / "local-token.ide").write_text(TOKEN)
    before = near.config.read_text()
    near.write_config(before + GUARDED.format(far=far.address(), agent=AGENT))
    assert near.command("reload").returncode == 0
    url = f"http://{near.status()['routes'][1]['listeners'][0]}"
    refused, served = (
        run_program(FORMATS["langgraph"].text(Access(route="guarded", url=url, token=token)))
        for token in ("", TOKEN)
    )
    assert refused.returncode == 1
    assert "PermissionDeniedError" in refused.stderr
    assert served.returncode == 0, served.stderr
    assert "'graph_id': 'agent'" in served.stdout
    near.write_config(before)
    assert near.command("reload").returncode == 0
