"""Routes whose other side belongs to another trust domain than the authorities that they go by.
Pure.
"""

from __future__ import annotations

from typing import Final

from gateway.config.identities import table_of
from gateway.config.model import Config, Route
from gateway.errors import ConfigProblem

_HINT: Final = (
    "name that domain's authorities in the route's trust_bundle, unless one signs for both domains"
)


def foreign_peers(config: Config) -> list[ConfigProblem]:
    """A warning for each route without a `trust_bundle` that names a peer of another trust domain
    than its identity's: in SPIFFE each domain has authorities of its own ("SPIFFE Trust Domain and
    Bundle" section 3), so such a peer is most likely refused. Where the source decides the
    identity's name, nothing is known, and nothing said.
    """
    return [
        ConfigProblem(
            f"routes.{route.name}.peer",
            f"{peer} is of another trust domain than the route's identity ({own}), whose "
            "authorities it is checked by",
            _HINT,
        )
        for route in config.routes
        if route.trust_bundle is None and (own := _domain(table_of(route, config).spiffe_id))
        for peer in _foreign(route, own)
    ]


def _foreign(route: Route, own: str) -> list[str]:
    return [peer.value for peer in route.peer if _domain(peer.value) not in {"", own}]


def _domain(name: str) -> str:
    """The trust domain of a SPIFFE id or of a pattern of such; "" for any other name."""
    scheme, _, rest = name.partition("://")
    return rest.partition("/")[0] if scheme == "spiffe" else ""
