"""The official conformance suite says the same of a server with and without the gateways before it,
check by check, in each era of the protocol.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.planner import mcp_application
from tests.fakes.mcp_agent import AnyAgent
from tests.fakes.mcp_conformance import of_server
from tests.fakes.mcp_everything import everything
from tests.fakes.two_gateways import two_gateways

pytestmark = [
    pytest.mark.program("node"),
    pytest.mark.program("mcp-everything"),
    pytest.mark.program("mcp-conformance"),
    pytest.mark.timeout(180),
]
# Both servers leave to the gateway what this asks for (see `test_web_pages_are_kept_out`).
KEPT_OUT = ("server-dns-rebinding-protection", "localhost-host-rebinding-rejected", "SUCCESS")
# The suite sends "Mcp-Name:   add  ". White space at the ends is no part of a value (RFC 9110
# section 5.5), and the gateway passes none on; llhttp, by which uvicorn reads, takes away what
# stands before the value and leaves what stands behind it: directly the name is another tool's.
TRIMMED = ("server-http-header-validation", "sep-2243-server-accepts-whitespace-header-value")
BETTER = {KEPT_OUT[:2], TRIMMED}


def compare(folder: Path, port: int, revision: str, *, least_passed: int) -> None:
    with two_gateways(folder, port, protocol="http", life_s=400) as both:
        through = of_server(f"http://{both.address}/mcp", revision, folder / "through")
    direct = of_server(f"http://127.0.0.1:{port}/mcp", revision, folder / "direct")
    other = {key[:2] for key in (through - direct) + (direct - through)}
    assert other <= BETTER
    assert not [key for key in direct - through if key[2] == "SUCCESS"]
    assert through[KEPT_OUT] == 1
    passed = sum(number for (_, _, status), number in through.items() if status == "SUCCESS")
    assert passed >= least_passed


def test_of_a_server_with_sessions(tmp_path: Path) -> None:
    with everything("streamableHttp") as port:
        compare(tmp_path, port, "2025-11-25", least_passed=20)


def test_of_a_server_without(tmp_path: Path) -> None:
    with AnyAgent(mcp_application()) as agent:
        compare(tmp_path, agent.port, "2026-07-28", least_passed=20)
