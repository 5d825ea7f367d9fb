"""With `derive = "route"` the routes of one gateway show names of their own, by one join token."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from certs.clock import SystemClock
from certs.issuer import ca
from certs.issuer.folder import init, open_issuer
from certs.issuer.one_time_tokens import Grant
from tests.fakes.issuer import TRUST_DOMAIN
from tests.fakes.issuer_process import IssuerProcess
from tests.fakes.sourced_gateway import sourced_gateway

LAPTOP = f"spiffe://{TRUST_DOMAIN}/laptop"


def second_route(port: int) -> str:
    return f"""
[[routes]]
name = "writer"
listen = "127.0.0.1:0"
upstream = "https://localhost:{port}"
peer = ["dns:localhost"]
trust_bundle = "upstream-ca.pem"
"""


async def test_it_does(tmp_path: Path) -> None:
    folder, clock = tmp_path / "issuer", SystemClock()
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    service = open_issuer(folder).service
    grant = Grant(workload="laptop", path="/laptop", uses=2, derive=True)
    token, authority = service.make_token(grant, clock.now()).text, service.authority
    service.close()
    issuer = IssuerProcess(folder)
    await issuer.start()
    try:
        identity = f"""
[identity]
source = "issuer"
spiffe_id = "{LAPTOP}"
derive = "route"
[identity.issuer]
url = "{issuer.url}"
ca_pin = "{authority.pin}"
token_file = "join-token"
"""
        await asyncio.to_thread(
            _check, tmp_path / "gateway", identity, token.reveal(), ca.to_pem(authority.root)
        )
    finally:
        await issuer.stop()


def _check(folder: Path, identity: str, token: str, authorities: bytes) -> None:
    with sourced_gateway(folder, identity, client_authorities=authorities) as (gateway, agent):
        gateway.keep("join-token", token)
        gateway.write_config(gateway.config.read_text() + second_route(agent.port))
        gateway.start()
        body = gateway.until_ready()
        shown = {item["name"]: item["spiffe_id"] for item in body["identities"]}
        assert shown == {
            "default/planner": f"{LAPTOP}/agent/planner",
            "default/writer": f"{LAPTOP}/agent/writer",
        }
        for route, own in zip(body["routes"], body["identities"], strict=True):
            code, answer = gateway.request(path="/echo", at=route["listeners"][0])
            assert (code, json.loads(answer)["serial"]) == (200, own["serial"])
        serials = {item["serial"] for item in body["identities"]}
        assert len(serials) == 2
