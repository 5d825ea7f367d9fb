"""The gateway in front of the agent is killed and comes back in the middle of a call: the official
client goes on behind the last event that it has seen, and gets every other one, and the result.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import JSONRPCMessage

from gateway.demo.planner import count
from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.mcp_agent import AnyAgent
from tests.fakes.processes import descendants
from tests.fakes.two_gateways import TwoGateways, two_gateways

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.timeout(120),
]
STEPS = 6

# Says each step as it comes, and the result.
TYPESCRIPT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const transport = new StreamableHTTPClientTransport(new URL(process.argv[2]), {
  reconnectionOptions: {
    initialReconnectionDelay: 200, maxReconnectionDelay: 500,
    reconnectionDelayGrowFactor: 1.2, maxRetries: 100,
  },
});
const client = new Client({ name: "test", version: "1.0.0" });
await client.connect(transport);
const result = await client.callTool(
  { name: "count", arguments: { steps: 6, pause_s: 0.7 } },
  undefined,
  { onprogress: (progress) => console.log(progress.progress), timeout: 60000 },
);
console.log(result.content[0].text);
process.exit(0);
"""


class Events(EventStore):
    """All of them, in memory."""

    def __init__(self) -> None:
        self._events: list[tuple[StreamId, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self._events.append((stream_id, message))
        return str(len(self._events) - 1)

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        wanted, _ = self._events[int(last_event_id)]
        for number, (stream, message) in enumerate(self._events):
            if number > int(last_event_id) and stream == wanted and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return wanted


def kill_far_gateway(both: TwoGateways) -> None:
    """All of it at once; what comes back listens where it did."""
    text = both.far.config.read_text().replace("127.0.0.1:0", both.far.address())
    for pid in [both.far.pid, *descendants(both.far.pid)]:
        os.kill(pid, signal.SIGKILL)
    both.far.wait()
    both.far.write_config(text)
    both.far.start()


def test_every_step_arrives_once(tmp_path: Path) -> None:
    server = MCPServer("counter")
    server.tool()(count)
    application = server.streamable_http_app(
        event_store=Events(),
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    (tmp_path / "client.mjs").write_text(TYPESCRIPT)
    (tmp_path / "node_modules").symlink_to(require_program("mcp-everything") / "node_modules")
    with (
        AnyAgent(application) as agent,
        two_gateways(tmp_path, agent.port, protocol="http", life_s=60) as both,
        subprocess.Popen(
            [str(require_program("node")), "client.mjs", f"http://{both.address}/mcp"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        try:
            assert client.stdout is not None
            steps = [client.stdout.readline().strip() for _ in range(2)]
            kill_far_gateway(both)
            out, err = client.communicate(timeout=3 * DEADLINE_S)
        finally:
            client.kill()
        lines = [line for line in both.near.log() if line.get("event") == "request"]
    assert client.returncode == 0, err
    *more, result = out.splitlines()
    assert result == f"counted to {STEPS}"
    # The SDK forgets the last step when it reads it together with the answer.
    assert [*steps, *more][: STEPS - 1] == [str(step) for step in range(1, STEPS)]
    cut = [line["mcp_method"] for line in lines if line["reason"] == "upstream_closed"]
    assert cut.count("tools/call") == 1
