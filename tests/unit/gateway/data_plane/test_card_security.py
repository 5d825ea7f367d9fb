"""What a card asks for that the gateway brings, in the shapes of both versions."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from gateway.data_plane.card_security import Credentials
from tests.fakes.routes import route_spec

BEARER = (("Authorization", "Bearer s3cr3t"),)
V03: dict[str, Any] = {
    "mtls": {"type": "mutualTLS"},
    "bearer": {"type": "http", "scheme": "Bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
    "query": {"type": "apiKey", "in": "query", "name": "X-Api-Key"},
    "oauth": {"type": "oauth2", "flows": {}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://login.example"},
}
V10: dict[str, Any] = {
    "mtls": {"mtlsSecurityScheme": {}},
    "bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
    "basic": {"http_auth_security_scheme": {"scheme": "basic"}},
    "key": {"apiKeySecurityScheme": {"location": "header", "name": "X-Api-Key"}},
    "cookie": {"apiKeySecurityScheme": {"location": "cookie", "name": "session"}},
    "query": {"api_key_security_scheme": {"location": "query", "name": "X-Api-Key"}},
    "oauth": {"oauth2SecurityScheme": {"flows": {}}},
    "oidc": {"openIdConnectSecurityScheme": {}},
}


def relieved(card: dict[str, Any], headers: Any = (), **spec: Any) -> dict[str, Any]:
    card = deepcopy(card)
    Credentials(route_spec(headers=headers, **spec)).relieve(card)
    return card


@pytest.mark.parametrize("schemes", [V03, V10])
@pytest.mark.parametrize(
    ("headers", "satisfied"),
    [
        ((), set()),
        (BEARER, {"bearer", "oauth", "oidc"}),
        ((("authorization", "Basic QQ=="),), {"basic"}),
        ((("x-api-key", "k"),), {"key"}),
        ((("Cookie", "a=b; session=c"),), {"cookie"}),
        ((("Cookie", "a=session"),), set()),
    ],
)
def test_schemes(schemes: dict[str, Any], headers: Any, satisfied: set[str]) -> None:
    left = relieved({"securitySchemes": schemes}, headers)["securitySchemes"]
    assert schemes.keys() - left.keys() == satisfied | {"mtls"}
    assert (
        relieved({"securitySchemes": schemes}, headers, ingress=True)["securitySchemes"] == schemes
    )


def test_none_that_are_left_are_not_listed() -> None:
    card = {"name": "x", "security_schemes": {"mtls": V10["mtls"]}}
    assert relieved(card) == {"name": "x"}


def test_requirements_of_0_3() -> None:
    card = {
        "securitySchemes": V03,
        "security": [{"mtls": [], "key": []}, {"oauth": ["read"], "mtls": []}],
        "skills": [{"id": "a", "security": [{"mtls": []}]}, {"id": "b", "security": [{"key": []}]}],
    }
    left = relieved(card)
    assert left["security"] == [{"key": []}, {"oauth": ["read"]}]
    assert left["skills"] == [{"id": "a"}, {"id": "b", "security": [{"key": []}]}]
    assert "security" not in relieved(card, BEARER)


def test_requirements_of_1_0() -> None:
    card = {
        "securitySchemes": V10,
        "securityRequirements": [{"schemes": {"mtls": {"list": []}, "key": {}}}],
        "skills": [{"id": "a", "security_requirements": [{"schemes": {"mtls": {}}}]}],
    }
    left = relieved(card)
    assert left["securityRequirements"] == [{"schemes": {"key": {}}}]
    assert left["skills"] == [{"id": "a"}]


def test_what_isnt_satisfied_stays_as_it_is() -> None:
    card = {
        "securitySchemes": {"key": V03["key"], "odd": 5, "odder": {}, "oddest": {"type": 3}},
        "security": [{}, {"mtls": []}, {"key": []}, "x"],
        "skills": [None, {"security": {}}],
    }
    assert relieved(card) == card


@pytest.mark.parametrize("name", [["session"], {"session": 1}, 5, None, ""])
def test_a_cookie_whose_name_is_none_stays(name: object) -> None:
    schemes = {"cookie": {"type": "apiKey", "in": "cookie", "name": name}}
    assert relieved({"securitySchemes": schemes}, (("Cookie", "session=c"),)) == {
        "securitySchemes": schemes
    }
