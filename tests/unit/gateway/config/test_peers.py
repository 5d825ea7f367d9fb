"""Patterns of callers; the names of upstreams are in `test_http_routes.py`."""

from __future__ import annotations

import pytest

from gateway.config.model import PeerName
from gateway.config.peers import caller_pattern
from gateway.config.table import Rejected


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://acme.example/agent/planner",
        "spiffe://acme.example/agent/*",
        "spiffe://acme.example/*/planner",
        "spiffe://acme.example/*",
        "spiffe://acme.example/**",
        "spiffe://acme.example/team/*/**",
    ],
)
def test_a_pattern_stays_as_it_is_written(text: str) -> None:
    assert caller_pattern(text) == PeerName("spiffe", text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("**", "is not a SPIFFE id"),
        ("dns:a.example", "is not a SPIFFE id"),
        ("SPIFFE://acme.example/a", "is not a SPIFFE id"),
        ("spiffe://", "trust domain"),
        ("spiffe://**", "the trust domain is left open"),
        ("spiffe://*", "the trust domain is left open"),
        ("spiffe://*/agent", "the trust domain is left open"),
        ("spiffe://*.example/agent", "the trust domain is left open"),
        ("spiffe://acme.example", "names a trust domain"),
        ("spiffe://acme.example/", "empty or relative segment"),
        ("spiffe://acme.example//*", "empty or relative segment"),
        ("spiffe://acme.example/../*", "empty or relative segment"),
        ("spiffe://Acme.example/*", "not usable"),
        ("spiffe://acme.example/agent-*", "'*' is a part of a segment"),
        ("spiffe://acme.example/***", "'*' is a part of a segment"),
        ("spiffe://acme.example/**/planner", "'**' is not the last part"),
        ("spiffe://acme.example/agent/a%2f*", "part of a segment"),
        ("spiffe://acme.example/agent/ä", "not allowed"),
        ("spiffe://acme.example/a?b", "not allowed"),
    ],
)
def test_a_pattern_that_is_refused(text: str, why: str) -> None:
    with pytest.raises(Rejected) as caught:
        caller_pattern(text)
    assert why in caught.value.message
