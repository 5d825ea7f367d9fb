"""A client of 1.0 reads the card, and works the agent by each binding that it names."""

from __future__ import annotations

import pytest

from tests.e2e.a2a.conftest import A2a

SEND = """
async def work(card, http):
    said = {}
    for binding in ("JSONRPC", "HTTP+JSON", "GRPC"):
        client = client_of(card, http, binding)
        answers = [plain(item) async for item in client.send_message(asks("hello"))]
        whole = client_of(card, http, binding, streaming=False)
        answers += [plain(item) async for item in whole.send_message(asks("again"))]
        said[binding] = [item["message"]["parts"][0]["text"] for item in answers]
    say({"said": said, "card": plain(card)})
"""


@pytest.mark.program("a2a")
def test_all_three(a2a: A2a) -> None:
    result = a2a.result(SEND)
    answers = ["you said hello", "you said again"]
    assert result["said"] == {"JSONRPC": answers, "HTTP+JSON": answers, "GRPC": answers}
    card = result["card"]
    urls = [interface["url"] for interface in card["supportedInterfaces"]]
    assert urls == [a2a.grpc_address, f"{a2a.url}/a2a", f"{a2a.url}/rest"]
    assert not {"signatures", "securitySchemes", "securityRequirements"} & card.keys()
