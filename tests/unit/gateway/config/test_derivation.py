"""Which sources can give each route an identity of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.identity_source import read_identity
from gateway.config.table import Table
from gateway.errors import ConfigProblem

ID = "spiffe://acme.example/laptop"
VAULT = {"url": "https://v", "role": "r", "token_file": "t"}
STEP_CA = {"url": "https://ca", "fingerprint": "0a" * 32}
GOOGLE = {"credential_file": "c", "ca_pool": "projects/p/locations/l/caPools/c"}
ISSUER = {"url": "https://i", "ca_pin": "sha256:" + "0a" * 32}
FILES = {"certificate": "c", "private_key": "k", "trust_bundle": "b"}


def problems(source: str, table: dict[str, Any], **more: Any) -> dict[str, str]:
    found: list[ConfigProblem] = []
    raw = {"sources": [source], source: table, "spiffe_id": ID, "derive": "route"} | more
    raw = {key: value for key, value in raw.items() if value is not None}
    identity = read_identity(Table(raw, "identity", found), base=Path("/etc"), project="acme")
    assert identity.derive
    return {problem.key: problem.message for problem in found}


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("vault", VAULT),
        ("step-ca", STEP_CA | {"provisioner": "p", "provisioner_key_file": "k"}),
        ("google-wif", GOOGLE | {"subject_mode": "DEFAULT"}),
        ("spiffe", {}),
        ("issuer", {"url": "https://i", "ca_pin": "sha256:" + "0a" * 32}),
    ],
)
def test_sources_that_give_the_name_that_they_are_asked_for(
    source: str, table: dict[str, Any]
) -> None:
    assert problems(source, table) == {}


@pytest.mark.parametrize(
    ("source", "table", "why"),
    [
        ("files", FILES, "the one certificate"),
        ("step-ca", STEP_CA | {"token_file": "t"}, "a token is for one name"),
        ("google-wif", GOOGLE, "subject_mode"),
        ("spiffe", {"hint": "x"}, "hint"),
        (
            "issuer",
            ISSUER | {"bound_rule": "laptop", "bound_key_secret": "key"},
            "needs a join token alone",
        ),
    ],
)
def test_sources_that_cant_say_why(source: str, table: dict[str, Any], why: str) -> None:
    found = problems(source, table)
    assert list(found) == ["identity.derive"]
    assert why in found["identity.derive"]


def test_every_source_of_a_chain_has_to_be_able_to() -> None:
    found = problems("vault", VAULT, sources=["vault", "files"], files=FILES)
    assert 'source "files" can\'t' in found["identity.derive"]


def test_the_name_below_which_they_are_is_needed() -> None:
    issuer = {"url": "https://i", "ca_pin": "sha256:" + "0a" * 32}
    assert list(problems("issuer", issuer, spiffe_id=None)) == ["identity.spiffe_id"]


def test_what_is_derived_by_is_the_route() -> None:
    assert list(problems("vault", VAULT, derive="agent")) == ["identity.derive"]
