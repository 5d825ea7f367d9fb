"""`devwiz-gw stdio` tells whoever waits what went wrong, prints nothing but messages, and ends with
its input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import COMMAND, DEADLINE_S, GatewayProcess
from tests.fakes.mcp_agent import McpAgent

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


class Bridge:
    """The command, spoken to by hand."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "stdio", "planner", "--config", str(gateway.config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | gateway.env,
        )

    def say(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def call(self, number: int, name: str, **arguments: Any) -> None:
        params = {"name": name, "arguments": arguments}
        self.say(id=number, method="tools/call", params=params)

    def begin(self) -> None:
        params = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        self.say(id=0, method="initialize", params=params)
        assert self.hear()["result"]["protocolVersion"] == "2025-06-18"
        self.say(method="notifications/initialized")


@pytest.fixture
def bridge(gateway: GatewayProcess) -> Iterator[Bridge]:
    bridge = Bridge(gateway)
    yield bridge
    if bridge.process.poll() is None:
        bridge.process.kill()
    bridge.process.communicate(timeout=DEADLINE_S)


def test_the_end_of_the_input_is_the_end(bridge: Bridge) -> None:
    bridge.begin()
    bridge.call(1, "count", steps=1000, pause_s=0.1)
    out, err = bridge.process.communicate(timeout=DEADLINE_S)
    assert (bridge.process.returncode, out, err) == (0, b"", b"")


def test_a_signal_is_the_end(bridge: Bridge) -> None:
    bridge.begin()
    bridge.process.send_signal(signal.SIGTERM)
    assert bridge.process.wait(DEADLINE_S) == 0


def test_each_that_waits_is_told_when_the_gateway_dies(
    bridge: Bridge, gateway: GatewayProcess
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


def test_what_the_gateway_refuses_is_told(bridge: Bridge, gateway: GatewayProcess) -> None:
    rule = f"[[routes.allow]]\nuid = {os.getuid() + 1}\n"
    gateway.configure(more=rule)
    assert gateway.command("reload").returncode == 0
    bridge.say(id=1, method="server/discover", params=VERSION)
    failed = bridge.hear()
    assert failed["error"]["code"] == -32000
    assert "this caller may not use the route" in failed["error"]["message"]
