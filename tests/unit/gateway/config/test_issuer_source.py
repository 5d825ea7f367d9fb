"""`[identity.issuer]`: the ways to join, to checked values."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.issuer_source import refuse_shared_keys
from gateway.config.join_ways import (
    BoundKeyConfig,
    CommandToken,
    CredentialRef,
    IdTokenConfig,
    UrlToken,
)
from gateway.config.model import IdentityConfig, IssuerSourceConfig
from tests.unit.gateway.config.test_identity_source import BASE, ISSUER, issuer, problems

KEY = {"bound_rule": "laptop", "bound_key_secret": "device-key"}


def test_a_bound_key() -> None:
    assert issuer(**KEY).bound_key == BoundKeyConfig(
        rule="laptop", key=CredentialRef("secret", "device-key"), registration=None
    )
    source = issuer(**KEY, registration_file="secret")
    assert source.bound_key is not None
    assert source.bound_key.registration == CredentialRef("file", str(BASE / "secret"))
    static = issuer(bound_rule="laptop", bound_key_file="key.pem").bound_key
    assert static is not None
    assert static.key == CredentialRef("file", str(BASE / "key.pem"))


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"id_token_file": "t"}, CredentialRef("file", str(BASE / "t"))),
        ({"id_token_env": "TOKEN"}, CredentialRef("env", "TOKEN")),
        ({"id_token_secret": "t"}, CredentialRef("secret", "t")),
        (
            {"id_token_command": ["gcloud", "auth"], "id_token_member": "id_token"},
            CommandToken(arguments=("gcloud", "auth"), member="id_token"),
        ),
        (
            {
                "id_token_url": "https://idp.example/t?audience=gw",
                "id_token_headers": {"Metadata-Flavor": "Google"},
                "id_token_bearer_env": "REQUEST_TOKEN",
                "id_token_member": "value",
            },
            UrlToken(
                url="https://idp.example/t?audience=gw",
                headers=(("Metadata-Flavor", "Google"),),
                bearer=CredentialRef("env", "REQUEST_TOKEN"),
                member="value",
            ),
        ),
    ],
)
def test_an_identity_token(given: dict[str, Any], source: object) -> None:
    assert issuer(token_rule="ci", **given).id_token == IdTokenConfig(rule="ci", source=source)  # type: ignore[arg-type]


def test_all_ways_may_be_there() -> None:
    source = issuer(**KEY, token_rule="ci", id_token_file="t", token_file="join-token")
    assert source.bound_key is not None
    assert source.id_token is not None
    assert source.token is not None


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        ({"bound_rule": "laptop"}, "bound_key_secret", "is missing"),
        ({"bound_key_secret": "k"}, "bound_rule", "is missing"),
        ({"registration_file": "r"}, "bound_rule", "is missing"),
        ({**KEY, "bound_rule": "Bad Rule"}, "bound_rule", "not the name of a join rule"),
        ({**KEY, "bound_key_file": "k"}, "bound_key_secret", "already"),
        (
            {"bound_rule": "l", "bound_key_file": "k", "registration_file": "r"},
            "registration_file",
            "made here",
        ),
        ({"token_rule": "ci"}, "id_token_file", "is missing"),
        ({"id_token_file": "t"}, "token_rule", "is missing"),
        (
            {"token_rule": "ci", "id_token_file": "t", "id_token_url": "https://x"},
            "id_token_url",
            "already",
        ),
        (
            {"token_rule": "ci", "id_token_url": "https://x", "id_token_command": ["p"]},
            "id_token_command",
            "already",
        ),
        ({"token_rule": "ci", "id_token_command": []}, "id_token_command", "is empty"),
        ({"token_rule": "ci", "id_token_command": "gcloud"}, "id_token_command", "a list"),
        ({"token_rule": "ci", "id_token_url": "http://idp.example"}, "id_token_url", "https"),
        (
            {"token_rule": "ci", "id_token_file": "t", "id_token_member": "x"},
            "id_token_member",
            "goes with",
        ),
        (
            {"token_rule": "ci", "id_token_file": "t", "id_token_headers": {"A": "b"}},
            "id_token_headers",
            "goes with",
        ),
        (
            {
                "token_rule": "ci",
                "id_token_url": "https://x",
                "id_token_headers": {"Authorization": "Bearer x"},
            },
            "id_token_headers.Authorization",
            "no place in a file",
        ),
        (
            {
                "token_rule": "ci",
                "id_token_url": "https://x",
                "id_token_headers": {"a b": "x"},
            },
            'id_token_headers."a b"',
            "not a header",
        ),
    ],
)
def test_what_makes_no_sense_is_told(given: dict[str, Any], key: str, said: str) -> None:
    found = problems("issuer", ISSUER | given)
    assert said in found[f"identity.issuer.{key}"]


def bound(rule: str, key: CredentialRef) -> IdentityConfig:
    """An identity that joins by a bound key."""
    source = IssuerSourceConfig(
        url="https://issuer:8440",
        ca_pin="sha256:",
        token=None,
        bound_key=BoundKeyConfig(rule=rule, key=key, registration=None),
    )
    return IdentityConfig(sources=(source,))


def test_two_identities_have_two_bound_keys() -> None:
    one, other = CredentialRef("secret", "one"), CredentialRef("secret", "other")
    tables = {"default": bound("a", one), "billing": bound("b", other)}
    assert refuse_shared_keys(tables, "vault") == []
    (problem,) = refuse_shared_keys(tables | {"third": bound("c", other)}, "vault")
    assert problem.key == "identities.third.issuer.bound_key_secret"
    assert "bound key of the identity billing" in problem.message


def test_a_bound_key_needs_a_store_that_keeps_it() -> None:
    in_store, in_file = CredentialRef("secret", "one"), CredentialRef("file", "/etc/key.pem")
    (problem,) = refuse_shared_keys({"default": bound("a", in_store)}, "folder")
    assert problem.key == "identity.issuer.bound_key_secret"
    assert "keeps no new values" in problem.message
    assert refuse_shared_keys({"default": bound("a", in_file)}, "folder") == []
