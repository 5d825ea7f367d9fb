"""An upstream takes a token back before its end, and whoever calls doesn't notice."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.refusing_upstream import RevokingUpstream
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.signed_in import until_code
from tests.fakes.token_endpoint import TokenEndpoint

CALLS = 12


def test_requests_of_all_workers_get_the_next_one(
    oauth_gateway: GatewayProcess, revoking: RevokingUpstream, idp: TokenEndpoint
) -> None:
    gateway = oauth_gateway
    gateway.start()
    gateway.until_ready()
    until_code(gateway, 200)
    address = gateway.address()
    revoking.welcomed.clear()
    revoking.good = "issued-2"

    def call(number: int) -> tuple[int, bytes]:
        return gateway.request("POST", f"/{number}", at=address, body=b"pay %d" % number)

    with ThreadPoolExecutor(CALLS) as callers:
        answers = list(callers.map(call, range(CALLS)))
    assert answers == [(200, b"pay %d" % number) for number in range(CALLS)]
    assert Counter(revoking.welcomed) == {f"/{number}": 1 for number in range(CALLS)}
    assert idp.issued == 2
    (line,) = [line for line in gateway.audit() if line["action"] == "route.refused"]
    assert (line["name"], line["outcome"]) == ("planner", "ok")
    gateway.until(lambda _: _repeated(gateway) == revoking.refused)
    wait_until(lambda: bool(_shown(gateway)))
    assert "sent once more" in gateway.command("explain", _shown(gateway)[0]).stdout


def _shown(gateway: GatewayProcess) -> list[str]:
    """The ids of the requests that the log says were sent once more; it is written in batches."""
    return [line["id"] for line in gateway.log() if line.get("token_refreshed")]


def _repeated(gateway: GatewayProcess) -> int:
    _, text = gateway.ask("GET", "/metrics")
    begin = 'devwiz_gw_credentials_refused_total{route="planner",outcome="repeated"} '
    lines = [line for line in text.splitlines() if line.startswith(begin)]
    return int(float(lines[0].removeprefix(begin))) if lines else 0
