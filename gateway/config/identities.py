"""Which identities a configuration asks for, by name, and which of them a route shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.config.model import DEFAULT_IDENTITY, Config, IdentityConfig, Route


def identities_of(config: Config) -> dict[str, IdentityConfig]:
    """Every identity that is to be kept, by name; that of `[identity]` first, if it is one itself.

    A table that derives one for each route is none itself: it gives `NAME/ROUTE` for each.
    """
    return dict(_identities(config))


def identity_of(route: Route, config: Config) -> str:
    """The name of the identity that the route shows."""
    table = table_of(route, config)
    return f"{route.identity}/{route.name}" if table.derive else route.identity


def table_of(route: Route, config: Config) -> IdentityConfig:
    """The table that the route's identity is set up by."""
    return _tables(config)[route.identity]


def _tables(config: Config) -> dict[str, IdentityConfig]:
    return {DEFAULT_IDENTITY: config.identity, **config.identities}


def _identities(config: Config) -> Iterator[tuple[str, IdentityConfig]]:
    for name, table in _tables(config).items():
        if not table.derive:
            yield name, table
            continue
        for route in config.routes:
            if route.identity == name:
                spiffe_id = f"{table.spiffe_id}/agent/{route.name}"
                own = replace(table, spiffe_id=spiffe_id, derive=False)
                yield identity_of(route, config), own
