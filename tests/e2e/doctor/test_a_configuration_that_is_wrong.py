"""A file that can't be used stops everything that depends on it, and says why."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess

_ALONE = {"configuration", "packages", "proxy"}


def test_the_rest_is_skipped(gateway: GatewayProcess) -> None:
    gateway.configure(more='colour = "blue"\n')
    report = doctor(gateway)
    assert report.failed() == ["configuration"]
    assert "colour" in report.at("configuration")["detail"]
    rest = [item for item in report.findings if item["rung"] not in _ALONE]
    assert {item["result"] for item in rest} == {"skip"}
    assert rest[0]["detail"] == "skipped: because the configuration can't be used"


def test_a_peer_of_a_foreign_trust_domain_is_warned_of(gateway: GatewayProcess) -> None:
    text = gateway.config.read_text()
    route = '[[routes]]\nname = "far"\nlisten = "127.0.0.1:0"\nupstream = "https://127.0.0.1:1"\n'
    peer = 'peer = ["spiffe://other.example/agent/a"]\n'
    named = text.replace("[identity]\n", '[identity]\nspiffe_id = "spiffe://acme.example/a"\n', 1)
    gateway.write_config(named + route + peer)
    (warned,) = [item for item in doctor(gateway).all("configuration") if item["result"] == "warn"]
    assert warned["detail"].startswith("routes.far.peer: spiffe://other.example/agent/a is of")
    assert "trust_bundle" in warned["remedy"]


def test_text_that_is_no_toml(gateway: GatewayProcess) -> None:
    gateway.write_config("project = acme\n")
    assert "not TOML" in doctor(gateway).at("configuration")["detail"]
