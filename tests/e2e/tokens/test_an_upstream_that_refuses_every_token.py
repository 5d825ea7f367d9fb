"""An upstream that answers 401 to whatever it is shown gets each request twice at most."""

from __future__ import annotations

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.refusing_upstream import RevokingUpstream
from tests.fakes.token_endpoint import TokenEndpoint

CALLS = 20


def test_neither_it_nor_the_source_is_stormed(
    oauth_gateway: GatewayProcess, revoking: RevokingUpstream, idp: TokenEndpoint
) -> None:
    gateway = oauth_gateway
    revoking.good = "none"
    gateway.start()
    gateway.until_ready()
    address = gateway.address()
    for number in range(CALLS):
        status, body = gateway.request("POST", f"/{number}", at=address, body=b"pay")
        assert (status, body) == (401, b"who are you")
    workers = 2
    assert CALLS < revoking.refused <= CALLS + workers
    assert idp.issued == 2
    outcomes = [line["outcome"] for line in gateway.audit() if line["action"] == "route.refused"]
    assert outcomes == ["ok"], "one question, and the second one came too soon"
    assert revoking.welcomed == []
