"""When the first source dies for good, the second one's identity is in use before the first one's
has ended, and no request is lost; when the first is back with news, it is used again.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.authority import Authority
from tests.fakes.certificates import AGENT
from tests.fakes.sourced_gateway import sourced_gateway
from tests.fakes.workload_api import Domain, WorkloadApi

pytestmark = pytest.mark.program("workload-api")


def test_no_request_is_lost(tmp_path: Path) -> None:
    domain, other = Domain(), Authority()
    with WorkloadApi(tmp_path / "api.sock") as api:
        identity = f"""
[identity]
sources = ["spiffe", "files"]
spiffe_id = "{AGENT}"
[identity.spiffe]
socket = "{api.endpoint}"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "client-ca.pem"
"""
        authorities = domain.root.pem + other.pem.encode()
        with sourced_gateway(tmp_path / "gateway", identity, client_authorities=authorities) as (
            gateway,
            agent,
        ):
            leaf = other.issue(AGENT)
            gateway.keep("client.crt", leaf.chain_pem)
            gateway.keep("client.key", leaf.key_pem)
            gateway.keep("client-ca.pem", other.pem)
            api.give(domain.svid(life=timedelta(seconds=12)))
            gateway.start()
            assert gateway.until_ready()["identity"]["source"] == "spiffe"
            assert gateway.request(path="/echo")[0] == 200
            api.kill()
            while gateway.status()["identity"]["source"] != "files":
                assert gateway.request(path="/echo")[0] == 200
            assert gateway.request(path="/echo")[0] == 200
            assert len(agent.serials) == 2
            api.start()
            api.give(domain.svid())
            gateway.until(lambda body: body["identity"]["source"] == "spiffe")
            assert gateway.request(path="/echo")[0] == 200
            assert len(agent.serials) == 3
