"""Without a certificate the listeners are open and answer 503 with the reason."""

from __future__ import annotations

import json

from tests.fakes.gateway_process import GatewayProcess


def refused_for(gateway: GatewayProcess, reason: str) -> bool:
    code, answer = gateway.request()
    assert code == 503
    return reason in json.loads(answer)["detail"]


def test_it_keeps_trying_and_says_so(gateway: GatewayProcess) -> None:
    certificate = gateway.folder / "client.crt"
    certificate.rename(gateway.folder / "away.crt")
    gateway.start()
    body = gateway.until(lambda body: bool(body["identity"]["last_error"]))
    assert body["state"] == "starting"
    assert "client.crt" in body["reasons"][0]
    assert gateway.ask("GET", "/readyz")[0] == 503
    gateway.until(lambda _: refused_for(gateway, "client.crt"))
    (gateway.folder / "away.crt").rename(certificate)
    gateway.until_ready()
    assert gateway.request("POST", body=b"hello") == (200, b"hello")
