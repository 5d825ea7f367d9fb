"""The upstream refuses the token and its source has no other one: the caller sees the 401."""

from __future__ import annotations

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.refusing_upstream import RevokingUpstream
from tests.fakes.signed_in import until_code
from tests.fakes.token_endpoint import TokenEndpoint


def test_the_refusal_is_passed_on_and_the_next_token_used(
    oauth_gateway: GatewayProcess, revoking: RevokingUpstream, idp: TokenEndpoint
) -> None:
    gateway = oauth_gateway
    gateway.start()
    gateway.until_ready()
    until_code(gateway, 200)
    idp.fails, revoking.good = 503, "issued-2"
    assert gateway.request("POST", "/pay", body=b"1") == (401, b"who are you")
    asked = len(idp.requests)
    assert gateway.request("POST", "/pay", body=b"2") == (401, b"who are you")
    assert len(idp.requests) == asked, "a source that fails is asked when it says"
    (line,) = [line for line in gateway.audit() if line["action"] == "route.refused"]
    assert line["outcome"] == "failed"
    idp.fails = 0
    until_code(gateway, 200)
    assert idp.issued == 2
