"""SPIRE's own agent attests the gateway, renews its certificate, takes it away and gives it back;
its command line gets from the gateway what the gateway got from it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.certificates import AGENT
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.sourced_gateway import sourced_gateway
from tests.fakes.spire_agent import SpireAgent

pytestmark = [
    pytest.mark.program("spire-agent"),
    pytest.mark.program("spire-api"),
    pytest.mark.timeout(120),
]
_WITHIN_S = 40
#: Back-dated by 10 s, so that half of it is over, and the agent renews it, after 5 more.
_LIFE_S = 20


def test_the_gateway_follows(tmp_path: Path) -> None:
    identity = '[identity]\nsource = "spiffe"\n[workload_api]\nsocket = "unix:w.sock"\n'
    with (
        SpireAgent(tmp_path / "spire") as spire,
        sourced_gateway(tmp_path / "gw", identity, client_authorities=spire.bundle) as (
            gateway,
            agent,
        ),
    ):
        gateway.env["SPIFFE_ENDPOINT_SOCKET"] = f"unix://{spire.socket}"
        gateway.start()

        def answers(status: int) -> bool:
            return bool(gateway.request(path="/echo")[0] == status)

        # It waits for an agent that knows nothing of it yet.
        wait_until(lambda: "no identity issued" in gateway.command("status").stdout, _WITHIN_S)
        spire.give(AGENT, life_s=_LIFE_S)
        wait_until(lambda: answers(200), _WITHIN_S)
        wait_until(lambda: answers(200) and len(agent.serials) >= 2, _WITHIN_S)
        told = spire.fetch(tmp_path / "gw" / "w.sock")
        assert "Received 1 svid" in told
        assert AGENT in told

        spire.take()
        wait_until(lambda: answers(503), _WITHIN_S)
        assert "code = Unavailable" in spire.fetch(tmp_path / "gw" / "w.sock")
        spire.give(AGENT, life_s=3600)
        wait_until(lambda: answers(200), _WITHIN_S)
        gateway.command("drain")
        assert gateway.wait()[0] == 0
