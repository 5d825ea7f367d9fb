"""Whatever an agent sends as its card, it is mapped or refused: nothing else ends the worker."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.agent_card import CardMap, CardRefused
from gateway.data_plane.origin_map import OriginMap
from tests.fakes.routes import route_spec
from tests.property.effort import effort

ROUTE = route_spec(
    headers=(("Cookie", "session=c"), ("Authorization", "Bearer t")),
    tunnels=(("agent.example:50051", "127.0.0.1:9001"),),
)
CARDS = CardMap(ROUTE, OriginMap(ROUTE))
URLS = st.sampled_from(
    ["https://agent.example/a", "agent.example:50051", "agent.example:1", "https://other.example"]
)
BINDINGS = st.sampled_from(["GRPC", "JSONRPC", ""])
WORDS = st.sampled_from(["cookie", "header", "http", "mutualTLS", "oauth2", "bearer"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), URLS, WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def or_anything(expected: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(expected, ANYTHING)


def objects(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={k: or_anything(v) for k, v in members.items()})


INTERFACES = st.lists(
    objects(url=URLS, transport=BINDINGS, protocolBinding=BINDINGS, protocol_binding=BINDINGS),
    max_size=3,
)
NAMES = st.sampled_from("abc")
KEY = {"name": or_anything(st.just("session"))}
SCHEME = st.one_of(
    st.fixed_dictionaries({"type": st.just("apiKey"), "in": or_anything(WORDS)} | KEY),
    st.fixed_dictionaries(
        {"apiKeySecurityScheme": st.fixed_dictionaries({"location": or_anything(WORDS)} | KEY)}
    ),
    objects(type=WORDS, scheme=WORDS, mtlsSecurityScheme=st.just({})),
)
SCHEMES = st.dictionaries(NAMES, or_anything(SCHEME), max_size=3)
REQUIRED = st.lists(
    or_anything(st.dictionaries(NAMES, st.just([]))) | objects(schemes=SCHEMES), max_size=3
)
ADDRESSES = objects(
    url=URLS,
    preferredTransport=BINDINGS,
    preferred_transport=BINDINGS,
    additionalInterfaces=INTERFACES,
    supportedInterfaces=INTERFACES,
    supported_interfaces=INTERFACES,
    signatures=ANYTHING,
)
SECURITY = objects(
    url=URLS,
    securitySchemes=SCHEMES,
    security_schemes=SCHEMES,
    security=REQUIRED,
    securityRequirements=REQUIRED,
    skills=st.lists(objects(security=REQUIRED), max_size=2),
)


@effort(600)
@given(card=ADDRESSES | SECURITY, in_result=st.booleans())
def test_a_card_is_mapped_or_refused(card: Any, in_result: bool) -> None:
    sent = json.dumps({"result": card} if in_result else card).encode()
    with suppress(CardRefused):
        local = CARDS.localised(sent, b"127.0.0.1:8701", in_result=in_result)
        assert local.changed or local.text == sent
        again = CARDS.localised(local.text, b"127.0.0.1:8701", in_result=in_result)
        assert json.loads(again.text) == json.loads(local.text)
