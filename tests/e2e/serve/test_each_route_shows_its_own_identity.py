"""Several identities in one gateway: each route shows its own, and what happens to one of them is
nothing to the routes of the others; a reload adds and removes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority
from tests.fakes.certificates import AGENT
from tests.fakes.sourced_gateway import SourcedGateway, sourced_gateway

BILLING = "spiffe://acme.example/agent/billing"


def table(key: str, files: str) -> str:
    return f"""
[{key}]
source = "files"
[{key}.files]
certificate = "{files}.crt"
private_key = "{files}.key"
trust_bundle = "client-ca.pem"
"""


class Stack:
    """A gateway with two routes to one agent, and the hand that writes its certificates."""

    def __init__(self, gateway: SourcedGateway, agent: AgentServer, authority: Authority) -> None:
        self.gateway = gateway
        self.agent = agent
        self._authority = authority
        gateway.keep("client-ca.pem", authority.pem)
        self._plain = gateway.config.read_text()
        self.configure(table("identities.billing", "billing") + self.route("billing"))

    def route(self, identity: str) -> str:
        return f"""
[[routes]]
name = "invoices"
listen = "127.0.0.1:0"
upstream = "https://localhost:{self.agent.port}"
peer = ["dns:localhost"]
trust_bundle = "upstream-ca.pem"
identity = "{identity}"
"""

    def configure(self, more: str) -> None:
        self.gateway.write_config(self._plain + more)

    def issue(self, files: str, name: str) -> str:
        """Write a new certificate; its serial number as `status` shows it."""
        leaf = self._authority.issue(name)
        self.gateway.keep(f"{files}.key", leaf.key_pem)
        self.gateway.keep(f"{files}.crt", leaf.chain_pem)
        return f"{leaf.serial:x}"

    def shown_by(self, route: int) -> str:
        """The serial number of the certificate that the agent saw."""
        at = self.gateway.status()["routes"][route]["listeners"][0]
        code, body = self.gateway.request(path="/echo", at=at)
        assert code == 200, body
        serial: str = json.loads(body)["serial"]
        return serial

    def identity(self, name: str) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = {
            item["name"]: item for item in self.gateway.status()["identities"]
        }
        return found[name]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    authority = Authority()
    folder, identity = tmp_path / "gateway", table("identity", "client")
    with sourced_gateway(folder, identity, client_authorities=authority.pem.encode()) as (
        gateway,
        agent,
    ):
        yield Stack(gateway, agent, authority)


def test_each_route_shows_its_own(stack: Stack) -> None:
    own, billing = stack.issue("client", AGENT), stack.issue("billing", BILLING)
    stack.gateway.start()
    stack.gateway.until_ready()
    assert (stack.shown_by(0), stack.shown_by(1)) == (own, billing)
    assert stack.identity("billing")["spiffe_id"] == BILLING
    code, told = stack.gateway.ask("GET", "/metrics")
    assert code == 200
    assert 'cert_generation{identity="billing"} 1\n' in told
    assert "devwiz_gw_cert_generation 1\n" in told
    renewed = stack.issue("billing", BILLING)
    stack.gateway.until(lambda _: stack.identity("billing")["generation"] == 2)
    assert (stack.shown_by(0), stack.shown_by(1)) == (own, renewed)
    assert stack.identity("default")["generation"] == 1


def test_an_outage_of_one_leaves_the_routes_of_the_other_alone(stack: Stack) -> None:
    own = stack.issue("client", AGENT)
    stack.gateway.start()
    body = stack.gateway.until(lambda _: bool(stack.identity("billing")["last_error"]))
    at = body["routes"][1]["listeners"][0]
    stack.gateway.until(lambda _: stack.gateway.ask("GET", "/readyz/planner")[0] == 200)
    assert stack.shown_by(0) == own
    assert stack.gateway.request(path="/echo", at=at)[0] == 503
    code, ready = stack.gateway.ask("GET", "/readyz/invoices")
    assert code == 503
    assert "billing.crt" in ready["checks"]["identity:billing"]["reason"]
    assert stack.gateway.ask("GET", "/readyz")[0] == 503
    billing = stack.issue("billing", BILLING)
    stack.gateway.until_ready()
    assert (stack.shown_by(0), stack.shown_by(1)) == (own, billing)


def test_a_reload_adds_and_removes_identities_and_turns_routes(stack: Stack) -> None:
    own = stack.issue("client", AGENT)
    stack.configure(stack.route("default"))
    stack.gateway.start()
    stack.gateway.until_ready()
    assert stack.shown_by(1) == own
    billing = stack.issue("billing", BILLING)
    stack.configure(table("identities.billing", "billing") + stack.route("billing"))
    assert stack.gateway.ask("POST", "/reload")[0] == 200
    stack.gateway.until_ready()
    assert (stack.shown_by(0), stack.shown_by(1)) == (own, billing)
    stack.configure(stack.route("billing"))
    code, problem = stack.gateway.ask("POST", "/reload")
    assert code == 409
    assert problem["problems"][0]["key"] == "routes.invoices.identity"
    assert stack.shown_by(1) == billing, "the old configuration stays"
    stack.configure(stack.route("default"))
    assert stack.gateway.ask("POST", "/reload")[0] == 200
    assert [item["name"] for item in stack.gateway.status()["identities"]] == ["default"]
    assert stack.shown_by(1) == own
