"""The card that an agent shows to known callers leads to the gateway, as the public one does."""

from __future__ import annotations

import pytest

from tests.e2e.a2a.conftest import A2a

FETCH = """
async def work(card, http):
    cards = {}
    for binding in ("JSONRPC", "HTTP+JSON", "GRPC"):
        client = client_of(card, http, binding)
        cards[binding] = plain(await client.get_extended_agent_card(GetExtendedAgentCardRequest()))
    say(cards)
"""
FETCH_0_3 = """
async def work(card, http):
    say(plain(await client_of(card, http).get_card()))
"""


@pytest.mark.program("a2a")
def test_of_1_0(a2a: A2a) -> None:
    cards = a2a.result(FETCH)
    urls = [a2a.grpc_address, f"{a2a.url}/a2a", f"{a2a.url}/rest"]
    for binding in ("JSONRPC", "HTTP+JSON"):
        card = cards[binding]
        assert card["name"] == "planner, extended"
        assert [interface["url"] for interface in card["supportedInterfaces"]] == urls
        assert not {"signatures", "securitySchemes", "securityRequirements"} & card.keys()
    # What gRPC carries isn't read.
    grpc = cards["GRPC"]
    assert grpc["supportedInterfaces"][0]["url"] == f"127.0.0.1:{a2a.server.grpc_port}"
    assert grpc["signatures"]


@pytest.mark.program("a2a-0.3")
def test_of_0_3(older_a2a: A2a) -> None:
    card = older_a2a.result(FETCH_0_3)
    assert (card["name"], card["url"]) == ("planner, extended", f"{older_a2a.url}/a2a")
    assert "securitySchemes" not in card
