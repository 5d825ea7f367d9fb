"""Cards of both versions lead to the local origin, and what can't be rewritten is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from gateway.data_plane.agent_card import MOST_BYTES, MOST_DEPTH, CardMap, CardRefused, LocalCard
from gateway.data_plane.origin_map import OriginMap
from tests.fakes.routes import route_spec

LOCAL = b"127.0.0.1:8701"
HERE = "http://127.0.0.1:8701"
MTLS: dict[str, Any] = {"mtls": {"mtlsSecurityScheme": {}}}
TUNNELS = (("agent.example:50051", "127.0.0.1:9001"), ("agent.example:50051", "[::1]:9001"))


def localised(
    card: Any, *, in_result: bool = False, local: bytes = LOCAL, **spec: Any
) -> LocalCard:
    text = card if isinstance(card, bytes) else json.dumps(card).encode()
    route = route_spec(**{"headers": (), "tunnels": TUNNELS} | spec)
    return CardMap(route, OriginMap(route)).localised(text, local, in_result=in_result)


def mapped(card: Any, **spec: Any) -> Any:
    return json.loads(localised(card, **spec).text)


def test_the_interfaces_of_0_3() -> None:
    card = {
        "name": "planner",
        "url": "https://agent.example/a2a/v1",
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [
            {"url": "https://AGENT.example:443/rest", "transport": "HTTP+JSON"},
            {"url": "agent.example:50051", "transport": "GRPC"},
            {"url": "agent.example:50052", "transport": "GRPC"},
            {"url": "https://other.example/rest", "transport": "HTTP+JSON"},
        ],
    }
    assert mapped(card) == {
        "name": "planner",
        "url": f"{HERE}/a2a/v1",
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [
            {"url": f"{HERE}/rest", "transport": "HTTP+JSON"},
            {"url": "127.0.0.1:9001", "transport": "GRPC"},
            {"url": "https://other.example/rest", "transport": "HTTP+JSON"},
        ],
    }
    assert localised(card).elsewhere == ("https://other.example",)


@pytest.mark.parametrize(
    ("key", "binding"),
    [
        ("supportedInterfaces", "protocolBinding"),
        ("supported_interfaces", "protocol_binding"),
    ],
)
def test_the_interfaces_of_1_0(key: str, binding: str) -> None:
    interfaces = [
        {"url": "https://agent.example", binding: "JSONRPC", "protocolVersion": "1.0"},
        {"url": "http://agent.example/rest", binding: "HTTP+JSON", "tenant": "a"},
        {"url": "agent.example:50051", binding: "GRPC"},
        {"url": "elsewhere.example:443", binding: "GRPC"},
    ]
    card = localised({"name": "planner", key: interfaces})
    assert json.loads(card.text)[key] == [
        {"url": HERE, binding: "JSONRPC", "protocolVersion": "1.0"},
        {"url": f"{HERE}/rest", binding: "HTTP+JSON", "tenant": "a"},
        {"url": "127.0.0.1:9001", binding: "GRPC"},
        {"url": "elsewhere.example:443", binding: "GRPC"},
    ]
    assert card.elsewhere == ("elsewhere.example:443",)


def test_a_preferred_interface_that_nothing_leads_to_gives_way() -> None:
    rest = {"url": "https://agent.example/rest", "transport": "HTTP+JSON"}
    card = {"url": "agent.example:1", "preferredTransport": "GRPC", "additionalInterfaces": [rest]}
    local = {"url": f"{HERE}/rest", "transport": "HTTP+JSON"}
    assert mapped(card) == {
        "url": f"{HERE}/rest",
        "preferredTransport": "HTTP+JSON",
        "additionalInterfaces": [local],
    }
    newer = [{"url": "https://agent.example", "protocolBinding": "JSONRPC"}]
    both = {"url": "agent.example:1", "preferredTransport": "grpc", "supportedInterfaces": newer}
    assert mapped(both) == {"supportedInterfaces": [{"url": HERE, "protocolBinding": "JSONRPC"}]}


def test_an_agent_that_nothing_leads_to_is_refused() -> None:
    grpc = {"url": "agent.example:50051", "protocolBinding": "GRPC"}
    with pytest.raises(CardRefused, match="no route of kind tcp"):
        localised({"supportedInterfaces": [grpc]}, tunnels=())
    with pytest.raises(CardRefused, match="no route of kind tcp"):
        localised({"url": "agent.example:50051", "preferredTransport": "GRPC"}, tunnels=())


def test_only_what_is_an_interface_is_mapped() -> None:
    card = {
        "url": "https://agent.example/",
        "provider": {"url": "https://agent.example/about", "organization": "x"},
        "documentationUrl": "https://agent.example/docs",
        "iconUrl": "https://agent.example/icon",
        "description": "https://agent.example/",
        "skills": [{"id": "a", "url": "https://agent.example/"}],
    }
    assert mapped(card) == card | {"url": f"{HERE}/"}


def test_other_sites_are_left_and_told_of() -> None:
    urls = [
        "https://agent.example.evil/",
        "https://agent.example@evil.example/",
        "https://evil.example/?https://agent.example",
        "https://agent.example:8443/",
        "https://ägent.example/",
        "/a2a",
    ]
    card = {"supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC"} for url in urls]}
    made = localised(card)
    assert not made.changed
    assert made.elsewhere == (
        "https://agent.example.evil",
        "https://evil.example",
        "https://agent.example:8443",
        "https://ägent.example",
    )
    assert made.note().startswith("leads clients past the gateway, to https://agent.example.evil, ")
    assert "\\xe4gent" in made.note()


def test_a_changed_card_loses_its_signatures() -> None:
    signed = {"name": "x", "signatures": [{"protected": "e30", "signature": "AA"}]}
    changed = localised(signed | {"url": "https://agent.example"})
    assert changed.unsigned
    assert json.loads(changed.text) == {"name": "x", "url": HERE}
    assert "signatures" in changed.note()


def test_an_unchanged_card_is_passed_on_byte_by_byte() -> None:
    text = b'{ "name":"\\u0061", "signatures":[{"signature":"AA"}], "url":"https://other.example" }'
    card = localised(text)
    assert (card.text, card.changed, card.unsigned) == (text, False, False)


def test_a_card_in_a_json_rpc_result() -> None:
    answer = {"jsonrpc": "2.0", "id": 7, "result": {"url": "https://agent.example/a2a"}}
    assert mapped(answer, in_result=True) == answer | {"result": {"url": f"{HERE}/a2a"}}
    error = {"jsonrpc": "2.0", "id": 7, "error": {"code": -32007, "message": "none"}}
    assert not localised(error, in_result=True).changed
    assert not localised(error | {"result": None}, in_result=True).changed
    with pytest.raises(CardRefused, match="result"):
        localised({"result": ["https://agent.example"]}, in_result=True)


def test_an_ingress_maps_the_agents_own_origin_and_brings_nothing() -> None:
    card = {
        "supportedInterfaces": [{"url": "http://agent.example/a2a", "protocolBinding": "JSONRPC"}],
        "securitySchemes": MTLS,
        "securityRequirements": [{"schemes": {"mtls": {}}}],
    }
    made = mapped(card, ingress=True, local=b"far.example:8443")
    assert made["supportedInterfaces"][0]["url"] == "https://far.example:8443/a2a"
    assert made["securitySchemes"] == MTLS
    assert made["securityRequirements"] == card["securityRequirements"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"[]",
        b'"card"',
        b'{"url":"https://agent.example",}',
        b'{"url":"https://other.example","url":"https://agent.example"}',
        b'{"a":{"x":1,"x":1}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a":' + b"[" * MOST_DEPTH + b"]" * MOST_DEPTH + b"}",
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
)
def test_what_not_everybody_reads_alike_is_refused(text: bytes) -> None:
    with pytest.raises(CardRefused):
        localised(text)


def test_what_may_be_nested_is() -> None:
    inner = MOST_DEPTH - 1
    text = b'{"a":' + b"[" * inner + b"]" * inner + b"}"
    assert localised(text).text == text


def test_any_text_survives() -> None:
    card = {
        "url": "https://agent.example",
        "name": "ä€😀\u2028\ud800\x00",
        "n": [1, -0.5, 1e300, None],
    }
    assert mapped(card) == card | {"url": HERE}
    assert len(localised(card).text) < MOST_BYTES


def test_shapes_that_nobody_expects_stay() -> None:
    card: dict[str, Any] = {
        "url": 5,
        "preferredTransport": [],
        "additionalInterfaces": {"url": "https://agent.example"},
        "supportedInterfaces": [None, 3, "https://agent.example", {"protocolBinding": "GRPC"}],
        "securitySchemes": [],
        "security": {"mtls": []},
        "skills": 3,
    }
    assert not localised(card).changed


@pytest.mark.parametrize("others", [5, True, "x", {"url": "https://agent.example"}, [1, None]])
def test_no_other_interface_is_taken_from_what_is_no_list(others: object) -> None:
    card = {
        "url": "agent.example:1",
        "preferredTransport": "GRPC",
        "additionalInterfaces": others,
        "supportedInterfaces": [{"url": "https://agent.example"}],
    }
    left = mapped(card)
    assert left == {"additionalInterfaces": others, "supportedInterfaces": [{"url": HERE}]}


def test_very_many_foreign_origins_take_no_longer_each() -> None:
    """What compares each with each takes most of a minute for these."""
    urls = [{"url": f"a://{number:x}"} for number in range(45_000)]
    started = time.process_time()
    card = localised({"additionalInterfaces": urls})
    assert time.process_time() - started < 15
    assert len(card.elsewhere) == len(urls)
