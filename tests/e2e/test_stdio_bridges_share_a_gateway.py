"""Of several `devwiz-gw stdio` without a gateway one starts it, the others use it, and when that
one ends, another takes its place.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.mcp_agent import McpAgent
from tests.fakes.stdio_bridge import StdioBridge


@pytest.mark.timeout(120)
def test_one_starts_it_and_another_takes_its_place(tmp_path: Path) -> None:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    with (
        McpAgent(context) as agent,
        GatewayProcess(tmp_path, authority, upstream_port=agent.port) as gateway,
        StdioBridge(gateway) as first,
    ):
        first.begin()
        with StdioBridge(gateway) as second:
            second.begin()
            second.call(1, "add", a=1, b=1)
            assert second.hear()["id"] == 1
            _, said = first.process.communicate(timeout=2 * DEADLINE_S)
            assert first.process.returncode == 0
            assert b"no gateway runs" in said
            second.call(2, "add", a=20, b=2)
            assert "22" in str(second.hear()["result"])
            _, said = second.process.communicate(timeout=2 * DEADLINE_S)
            assert (second.process.returncode, said.count(b"no gateway runs")) == (0, 1)
        assert not (gateway.folder / "admin.sock").exists()
