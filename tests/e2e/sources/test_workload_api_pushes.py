"""A Workload API on grpc-go pushes certificates under traffic, dies and returns, takes the SVID
away and gives it back.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.certificates import AGENT
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.sourced_gateway import sourced_gateway
from tests.fakes.workload_api import Domain, WorkloadApi

pytestmark = pytest.mark.program("workload-api")


def test_the_gateway_follows(tmp_path: Path) -> None:
    domain = Domain()
    with WorkloadApi(tmp_path / "api.sock") as api:
        identity = f"""
[identity]
source = "spiffe"
spiffe_id = "{AGENT}"
"""
        with sourced_gateway(
            tmp_path / "gateway", identity, client_authorities=domain.root.pem
        ) as (gateway, agent):
            gateway.env["SPIFFE_ENDPOINT_SOCKET"] = str(api.endpoint)
            api.give(domain.svid(life=timedelta(minutes=5)))
            gateway.start()
            gateway.until_ready()
            assert gateway.request(path="/echo")[0] == 200

            api.give(domain.svid())
            while len(agent.serials) < 2:
                assert gateway.request(path="/echo")[0] == 200

            api.kill()
            assert gateway.request(path="/echo")[0] == 200
            api.start()
            api.give(domain.svid())
            while len(agent.serials) < 3:
                assert gateway.request(path="/echo")[0] == 200

            api.give()
            wait_until(lambda: gateway.request(path="/echo")[0] == 503)
            assert "withdrawn" in gateway.command("status").stdout
            api.give(domain.svid())
            wait_until(lambda: gateway.request(path="/echo")[0] == 200)
            gateway.until_ready()
            assert len(agent.serials) == 4
