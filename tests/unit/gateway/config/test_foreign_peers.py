"""`gateway.config.foreign_peers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.foreign_peers import foreign_peers
from gateway.config.model import IdentityConfig, PeerName, Route
from tests.fakes import configs

OWN = IdentityConfig(sources=(), spiffe_id="spiffe://acme.example/laptop")
NEAR = PeerName("spiffe", "spiffe://acme.example/a")
FAR = PeerName("spiffe", "spiffe://other.example/a")


def warned(route: Route, identity: IdentityConfig = OWN) -> list[str]:
    other = IdentityConfig(sources=(), spiffe_id="spiffe://other.example/b")
    config = configs.config(Path("/nowhere"), route, identity=identity, identities={"other": other})
    return [item.message for item in foreign_peers(config)]


def test_each_foreign_peer_is_warned_of() -> None:
    (told,) = warned(configs.route(peer=(NEAR, FAR)))
    assert told.startswith("spiffe://other.example/a is of another trust domain")
    assert "(acme.example)" in told


def test_callers_of_an_ingress_are_peers() -> None:
    pattern = PeerName("spiffe", "spiffe://other.example/**")
    assert len(warned(configs.route(kind="ingress", peer=(pattern,)))) == 1


@pytest.mark.parametrize(
    "route",
    [
        pytest.param(configs.route(peer=(NEAR,)), id="one's own domain"),
        pytest.param(configs.route(peer=(PeerName("dns", "other.example"),)), id="no SPIFFE id"),
        pytest.param(configs.route(peer=(FAR,), trust_bundle=Path("b.pem")), id="its bundle"),
        pytest.param(configs.route(peer=(FAR,), identity="other"), id="an identity there"),
    ],
)
def test_others_are_not(route: Route) -> None:
    assert warned(route) == []


def test_of_an_identity_without_a_known_name_nothing_is_said() -> None:
    assert warned(configs.route(peer=(FAR,)), IdentityConfig(sources=())) == []
