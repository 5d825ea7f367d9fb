"""The text of a first configuration, and a route more in one that is there."""

from __future__ import annotations

import tomllib

import pytest

from gateway.clients.files.base import NotEditable
from gateway.first_run.document import whole, with_route
from gateway.first_run.plan import FilePlan, IdentityPlan, RoutePlan

ROUTE = RoutePlan(
    name="planner",
    speaks="mcp",
    listen="localhost:8701",
    upstream="https://planner.example.com",
    headers={"Authorization": "Bearer {secret:planner-token}"},
)
PLAN = FilePlan(
    project="acme",
    identity=IdentityPlan(
        head={"source": "issuer"},
        tables={
            "issuer": {
                "url": "https://127.0.0.1:8440",
                "ca_pin": ["sha256:" + "0" * 64, "sha256:" + "1" * 64],
                "token_file": 'a "join"\\token ü\u202e',
            }
        },
    ),
    route=ROUTE,
    store="folder",
    store_folder="secrets",
)


def test_it_says_what_was_planned_and_what_for() -> None:
    text = whole(PLAN)
    assert tomllib.loads(text) == PLAN.as_tables()
    for said in (
        "# Holds the token: mode 0600",
        "# Files that something else writes",
        "# an MCP server: docs/operations/mcp.md",
        "# Its certificate has to carry the upstream's host",
    ):
        assert f"\n{said}" in text
    assert "\u202e" not in text  # what can't be seen is written so that it can
    assert text.endswith('"\n')


def test_a_route_is_added_at_the_end_and_the_rest_stays() -> None:
    text = "# mine\nproject = 'acme' # so\n[identity]\nsource='spiffe'\n\n[[routes]]\nname='a'"
    added = with_route(text, ROUTE)
    assert added.startswith(text + "\n\n# an MCP server")
    assert tomllib.loads(added)["routes"] == [{"name": "a"}, ROUTE.as_table()]
    twice = with_route(added, RoutePlan(name="b", speaks="http", listen="l", upstream="u"))
    assert twice.startswith(added + "\n# an HTTP service\n[[routes]]\n")
    assert len(tomllib.loads(twice)["routes"]) == 3


@pytest.mark.parametrize(
    "text", ["routes = [{ name = 'a' }]\n", "[routes]\nx = 1\n", "project = \n", "routes = 1\n"]
)
def test_what_has_no_place_for_a_route(text: str) -> None:
    with pytest.raises(NotEditable):
        with_route(text, ROUTE)
