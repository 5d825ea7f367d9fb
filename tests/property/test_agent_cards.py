"""Whatever a card holds: its interfaces lead here, all else stays, what it asks for is what the
gateway doesn't bring, and it makes no difference how it was framed and cut on its way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.agent_card import CardMap, CardRefused
from gateway.data_plane.card_exchange import CardExchange
from gateway.data_plane.origin_map import OriginMap
from gateway.data_plane.wire.request import parse_request_head
from gateway.data_plane.wire.response import parse_response_head
from tests.fakes.routes import header_rules, route_spec
from tests.property.cuts import byte_by_byte, cut
from tests.property.effort import effort

HERE = "http://127.0.0.1:8701"
SPEC = route_spec(
    agent_card="rewrite",
    headers=(("Authorization", "Bearer x"),),
    tunnels=(("agent.example:50051", "127.0.0.1:9001"),),
)
CARDS = CardMap(SPEC, OriginMap(SPEC))
EXCHANGE = CardExchange(SPEC, OriginMap(SPEC))
RULES = header_rules()
LISTS = ("additionalInterfaces", "supportedInterfaces", "supported_interfaces")
REQUIREMENTS = ("security", "securityRequirements", "security_requirements")
CHANGING = {"url", "preferredTransport", "signatures", "securitySchemes", *LISTS, *REQUIREMENTS}
# Name → scheme, and whether the route satisfies it.
SCHEMES: dict[str, tuple[Any, bool]] = {
    "mtls": ({"type": "mutualTLS"}, True),
    "newer mtls": ({"mtlsSecurityScheme": {}}, True),
    "bearer": ({"type": "http", "scheme": "bearer"}, True),
    "newer oauth": ({"oauth2SecurityScheme": {}}, True),
    "basic": ({"type": "http", "scheme": "Basic"}, False),
    "key": ({"apiKeySecurityScheme": {"location": "header", "name": "X-Key"}}, False),
    "odd": ({"type": "seal"}, False),
}
SATISFIED = {name for name, (_, satisfied) in SCHEMES.items() if satisfied}

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
urls = st.sampled_from(
    (
        "https://agent.example/a2a",
        "http://AGENT.example",
        "https://agent.example:443/?q",
        "https://agent.example.evil/",
        "https://other.example/a2a",
        "agent.example:50051",
        "agent.example:1",
        "other.example:50051",
        "/a2a",
        "",
    )
)
bindings = st.sampled_from(("JSONRPC", "HTTP+JSON", "GRPC"))
interfaces = st.fixed_dictionaries(
    {"url": urls},
    optional={"transport": bindings, "protocolBinding": bindings, "tenant": st.text()},
)
names = st.sampled_from(sorted(SCHEMES))
nothing: st.SearchStrategy[Any] = st.just([])
older = st.dictionaries(names, nothing, max_size=3)
newer = st.dictionaries(names, nothing, max_size=3).map(lambda schemes: {"schemes": schemes})
requirements = st.lists(older | newer, max_size=3)
cards = st.fixed_dictionaries(
    {
        "name": st.text(),
        "securitySchemes": st.just({name: scheme for name, (scheme, _) in SCHEMES.items()}),
    },
    optional={
        "url": urls,
        "preferredTransport": bindings,
        **dict.fromkeys(LISTS, st.lists(interfaces, max_size=3)),
        **dict.fromkeys(REQUIREMENTS, requirements),
        "skills": st.lists(
            st.fixed_dictionaries({"id": st.text()}, optional={"security": requirements}),
            max_size=2,
        ),
        "signatures": st.just([{"protected": "e30"}]),
        "description": plain,
        "provider": st.fixed_dictionaries({"url": urls}),
    },
)


def interfaces_of(card: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if "url" in card:
        yield card
    for key in LISTS:
        yield from card.get(key, [])


def is_satisfied(alternatives: Any, held: set[str]) -> bool:
    """Whether a client that holds these may call."""
    if not alternatives:
        return True
    return any(set(item.get("schemes", item)) <= held for item in alternatives)


def localised(card: dict[str, Any]) -> dict[str, Any] | None:
    """None where nothing of it can be reached."""
    try:
        made = CARDS.localised(json.dumps(card).encode(), b"127.0.0.1:8701")
    except CardRefused:
        return None
    again = CARDS.localised(made.text, b"127.0.0.1:8701")
    assert (again.text, again.changed) == (made.text, False)
    document: dict[str, Any] = json.loads(made.text)
    assert made.changed == (document != card)
    assert made.unsigned == ("signatures" in card and "signatures" not in document)
    assert not (made.changed and "signatures" in document)
    return document


@given(card=cards)
@effort(150)
def test_interfaces_lead_here_or_elsewhere_and_all_else_stays(card: dict[str, Any]) -> None:
    local = localised(card)
    if local is None:
        assert any("agent.example" in item["url"].lower() for item in interfaces_of(card))
        return
    foreign = {"https://agent.example.evil/", "https://other.example/a2a", "other.example:50051"}
    known = {item["url"] for item in interfaces_of(card)}
    for item in interfaces_of(local):
        url = item["url"]
        is_here = url.startswith(HERE) or url == "127.0.0.1:9001"
        grpc_as_http = {"agent.example:50051", "agent.example:1"}
        assert is_here or url in known & (foreign | grpc_as_http | {"/a2a", ""})
    for key in card.keys() - CHANGING - {"skills"}:
        assert json.dumps(local[key]) == json.dumps(card[key])


@given(card=cards, held=st.sets(names))
@effort(150)
def test_what_is_asked_for_is_what_the_gateway_does_not_bring(
    card: dict[str, Any], held: set[str]
) -> None:
    local = localised(deepcopy(card))
    if local is None:
        return
    assert local.get("securitySchemes", {}).keys() == SCHEMES.keys() - SATISFIED
    pairs = [(card, local), *zip(card.get("skills", []), local.get("skills", []), strict=True)]
    for before, after in pairs:
        for key in REQUIREMENTS:
            wanted = is_satisfied(before.get(key), held | SATISFIED)
            assert is_satisfied(after.get(key), held) == wanted


@given(card=cards, data=st.data())
@effort(60)
def test_framing_and_cuts_make_no_difference(card: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(card).encode()
    chunked = b"".join(b"%x;e=1\r\n%b\r\n" % (len(piece), piece) for piece in data.draw(cut(text)))
    framings = {
        b"Content-Length: %d" % len(text): text,
        b"Transfer-Encoding: chunked": chunked + b"0\r\nX: y\r\n\r\n",
        b"X: until the end": text,
    }
    outcomes = set()
    for line, body in framings.items():
        for pieces in ([body], byte_by_byte(body), data.draw(cut(body))):
            outcomes.add(outcome(line, pieces))
    assert len(outcomes) == 1


def outcome(line: bytes, pieces: list[bytes]) -> bytes:
    head = b"GET /.well-known/agent-card.json HTTP/1.1\r\nHost: 127.0.0.1:8701\r\n\r\n"
    request = parse_request_head(head, RULES.lines)
    response = parse_response_head(
        b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % line,
        method=b"GET",
        client_minor=1,
        trailers=RULES.trailers,
    )
    reading = EXCHANGE.begin(response, request)
    assert reading is not None
    for piece in pieces:
        reading.feed(piece)
    assert reading.done or reading.is_complete_at_end()
    try:
        text = reading.finish()[1]
    except CardRefused as refused:
        return str(refused).encode()
    return b"".join(response.forwarded[-1:]) + response.body.framing + text
