"""An agent of 0.3 is worked by clients of 0.3 and of 1.0."""

from __future__ import annotations

import pytest

from tests.e2e.a2a.conftest import A2a

SEND = """
async def work(card, http):
    answers = []
    for streaming in (True, False):
        client = client_of(card, http, streaming=streaming)
        message = create_text_message_object(content="hello")
        answers += [plain(item) async for item in client.send_message(message)]
    said = [item["parts"][0]["text"] for item in answers]
    say({"said": said, "card": plain(card)})
"""
SEND_FROM_1_0 = """
async def work(card, http):
    client = client_of(card, http, "JSONRPC")
    answers = [plain(item) async for item in client.send_message(asks("hello"))]
    say([item["message"]["parts"][0]["text"] for item in answers])
"""


@pytest.mark.program("a2a-0.3")
def test_its_own_client(older_a2a: A2a) -> None:
    result = older_a2a.result(SEND)
    assert result["said"] == ["you said hello"] * 2
    card = result["card"]
    url = f"{older_a2a.url}/a2a"
    assert card["url"] == url
    assert card["additionalInterfaces"] == [{"url": url, "transport": "JSONRPC"}]
    assert not {"securitySchemes", "security"} & card.keys()


@pytest.mark.program("a2a")
@pytest.mark.program("a2a-0.3")
def test_a_newer_client(older_a2a: A2a) -> None:
    assert older_a2a.result(SEND_FROM_1_0, environment="a2a") == ["you said hello"]
