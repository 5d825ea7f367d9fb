"""Only a route that asks for it has other rules."""

from __future__ import annotations

from gateway.data_plane.card_rules import CardRules, rules_of
from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire.request import parse_request_head
from tests.fakes.routes import route_spec

HEAD = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:8701\r\nAccept-Encoding: gzip\r\n"
    b'If-None-Match: "x"\r\nA2A-Version: 1.0\r\n\r\n'
)


def test_other_routes_have_the_plain_ones() -> None:
    assert type(rules_of(route_spec())) is HeaderRules
    assert type(rules_of(route_spec(agent_card="rewrite"))) is CardRules


def test_a_request_for_a_card_is_changed_for_the_upstream_only() -> None:
    rules = rules_of(route_spec(agent_card="rewrite"))
    request = parse_request_head(HEAD % b"/.well-known/agent-card.json", rules.lines)
    before = list(request.forwarded)
    first = rules.request_head(request)
    assert b"Accept-Encoding: identity\r\n" in first
    assert b"A2A-Version: 1.0\r\n" in first
    assert b"If-None-Match" not in first
    assert b"gzip" not in first
    assert request.forwarded == before
    assert rules.request_head(request) == first


def test_other_requests_are_not() -> None:
    spec = {"agent_card": "rewrite"}
    plain, rules = HeaderRules(route_spec(**spec)), rules_of(route_spec(**spec))
    request = parse_request_head(HEAD % b"/a2a/v1/tasks", rules.lines)
    assert rules.request_head(request) == plain.request_head(request)
