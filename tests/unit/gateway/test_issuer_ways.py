"""The ways to join that a configuration names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from certs import keys
from certs.sources.credential import ReadCredential
from certs.sources.device_key import STATE_SUFFIX
from certs.sources.issuer_joins import JoinWay
from gateway.config.join_ways import (
    BoundKeyConfig,
    CommandToken,
    CredentialRef,
    IdTokenConfig,
)
from gateway.config.model import IssuerSourceConfig
from gateway.credentials import reader_of
from gateway.issuer_ways import ways_of
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore

KEY = keys.to_pem(keys.generate()).decode()


def ways(store: MemoryStore, **wanted: object) -> list[JoinWay]:
    def reader(ref: CredentialRef | None) -> ReadCredential:
        return reader_of(ref, "acme", store, {"TOKEN": "from-env"})

    config = IssuerSourceConfig(url="https://i", ca_pin="", token=None, **wanted)  # type: ignore[arg-type]
    return list(ways_of(config, reader, store=store, project="acme"))


def bound(kind: str, value: str) -> BoundKeyConfig:
    key = CredentialRef(kind, value)  # type: ignore[arg-type]
    return BoundKeyConfig(rule="laptop", key=key, registration=CredentialRef("env", "TOKEN"))


async def test_a_key_in_the_store_is_made_and_registered() -> None:
    store = MemoryStore()
    (way,) = ways(store, bound_key=bound("secret", "device-key"))
    attempt = await way.ready(timeout_s=1)
    assert attempt.evidence == {"registration_secret": "from-env"}  # type: ignore[attr-defined]
    assert await store.names("acme") == ["device-key"]


async def test_a_key_in_the_store_shows_its_state() -> None:
    store = MemoryStore()
    await store.set(SecretRef("acme", "device-key"), Secret(KEY))
    await store.set(SecretRef("acme", f"device-key{STATE_SUFFIX}"), Secret("state"))
    (way,) = ways(store, bound_key=bound("secret", "device-key"))
    attempt = await way.ready(timeout_s=1)
    assert attempt.evidence == {"join_state": "state"}  # type: ignore[attr-defined]


async def test_a_key_in_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(KEY)
    store = MemoryStore()
    (way,) = ways(store, bound_key=bound("file", str(file)))
    await way.ready(timeout_s=5)
    assert await store.names("acme") == []


@pytest.mark.may_block("a program is started")
async def test_the_bound_key_comes_before_the_identity_token() -> None:
    source = CommandToken(arguments=(sys.executable, "-c", "print('printed')"), member="")
    both = ways(
        MemoryStore(),
        bound_key=bound("secret", "device-key"),
        id_token=IdTokenConfig(rule="ci", source=source),
    )
    attempt = await both[1].ready(timeout_s=20)
    assert attempt.evidence == {"rule": "ci", "id_token": "printed"}  # type: ignore[attr-defined]


async def test_an_identity_token_in_a_variable() -> None:
    source = CredentialRef("env", "TOKEN")
    (way,) = ways(MemoryStore(), id_token=IdTokenConfig(rule="ci", source=source))
    attempt = await way.ready(timeout_s=1)
    assert attempt.evidence["id_token"] == "from-env"  # type: ignore[attr-defined]


async def test_nothing_is_named() -> None:
    assert ways(MemoryStore()) == []
