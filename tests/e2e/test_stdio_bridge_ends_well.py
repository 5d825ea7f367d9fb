"""`devwiz-gw stdio` tells whoever waits what went wrong, prints nothing but messages, and ends with
its input.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.stdio_bridge import StdioBridge

VERSION = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
    ):
        gateway.start()
        gateway.until_ready()
        yield gateway


@pytest.fixture
def bridge(gateway: GatewayProcess) -> Iterator[StdioBridge]:
    with StdioBridge(gateway) as bridge:
        yield bridge


def test_the_end_of_the_input_is_the_end(bridge: StdioBridge) -> None:
    bridge.begin()
    bridge.call(1, "count", steps=1000, pause_s=0.1)
    out, err = bridge.process.communicate(timeout=DEADLINE_S)
    assert (bridge.process.returncode, out, err) == (0, b"", b"")


def test_a_signal_is_the_end(bridge: StdioBridge) -> None:
    bridge.begin()
    bridge.process.send_signal(signal.SIGTERM)
    assert bridge.process.wait(DEADLINE_S) == 0


def test_each_that_waits_is_told_when_the_gateway_dies(
    bridge: StdioBridge, gateway: GatewayProcess
) -> None:
    bridge.begin()
    for number in (1, 2):
        bridge.call(number, "count", steps=1000, pause_s=0.1)
    bridge.call(3, "add", a=1, b=1)
    assert bridge.hear()["id"] == 3
    gateway.configure("not TOML")
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    failed = [bridge.hear(), bridge.hear()]
    assert {item["id"] for item in failed} == {1, 2}
    assert {item["error"]["code"] for item in failed} == {-32000}
    bridge.call(4, "add", a=1, b=1)
    assert "did not start" in bridge.hear()["error"]["message"]


def test_what_the_gateway_refuses_is_told(bridge: StdioBridge, gateway: GatewayProcess) -> None:
    rule = f"[[routes.allow]]\nuid = {os.getuid() + 1}\n"
    gateway.configure(more=rule)
    assert gateway.command("reload").returncode == 0
    bridge.say(id=1, method="server/discover", params=VERSION)
    failed = bridge.hear()
    assert failed["error"]["code"] == -32000
    assert "this caller may not use the route" in failed["error"]["message"]
