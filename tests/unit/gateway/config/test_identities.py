"""Which identities a configuration asks for, and which one a route shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.config.identities import identities_of, identity_of, table_of
from gateway.config.model import Config, IdentityConfig
from tests.fakes import configs

DERIVED = IdentityConfig(sources=(), spiffe_id="spiffe://acme.example/laptop", derive=True)


def of(**changes: object) -> Config:
    return replace(
        configs.config(
            Path("/nowhere"), configs.route("a"), configs.route("b"), configs.route("c")
        ),
        **changes,  # type: ignore[arg-type]
    )


def test_one_identity_is_all_that_many_files_have() -> None:
    config = of()
    assert identities_of(config) == {"default": config.identity}
    assert {identity_of(route, config) for route in config.routes} == {"default"}


def test_each_table_is_an_identity_whoever_shows_it() -> None:
    billing = IdentityConfig(sources=(), spiffe_id="spiffe://acme.example/billing")
    routes = (configs.route("a"), configs.route("b", identity="billing"))
    config = of(identities={"unused": DERIVED, "billing": billing}, routes=routes)
    assert identities_of(config) == {"default": config.identity, "billing": billing}
    assert [identity_of(route, config) for route in routes] == ["default", "billing"]
    assert table_of(routes[1], config) is billing


def test_a_pattern_gives_each_of_its_routes_an_identity_and_is_none_itself() -> None:
    routes = (configs.route("a"), configs.route("b", identity="billing"), configs.route("c"))
    config = of(identity=DERIVED, identities={"billing": DERIVED}, routes=routes)
    found = identities_of(config)
    assert {name: table.spiffe_id for name, table in found.items()} == {
        "default/a": "spiffe://acme.example/laptop/agent/a",
        "default/c": "spiffe://acme.example/laptop/agent/c",
        "billing/b": "spiffe://acme.example/laptop/agent/b",
    }
    assert not any(table.derive for table in found.values())
    assert [identity_of(route, config) for route in routes] == [
        "default/a",
        "billing/b",
        "default/c",
    ]
