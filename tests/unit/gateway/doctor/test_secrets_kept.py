"""What a store says of the secrets that a configuration names, and what is said of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.model import Config, RunConfig, SecretsConfig
from gateway.doctor.secrets_kept import Unusable, as_gateway_sees_them, examine
from identity.errors import IdentityError, ProjectElsewhere, VaultLocked, VaultMissing
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes.configs import config


def _config(folder: Path, *names: str) -> Config:
    return config(
        folder, run=RunConfig(secrets=names), secrets=SecretsConfig(store="vault", folder=folder)
    )


class _Refusing(MemoryStore):
    def __init__(self, error: IdentityError) -> None:
        super().__init__()
        self._error = error

    async def names(self, project: str) -> list[str]:
        raise self._error


async def test_each_that_is_missing(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.set(SecretRef("acme", "a"), Secret("canary"))
    found = await examine(_config(tmp_path, "a", "b", "c"), store)
    assert [item.remedy for item in found] == [
        "devwiz-gw secret set b",
        "devwiz-gw secret set c",
    ]
    (found_one,) = await examine(_config(tmp_path, "a", "b", "c"), store, only=["a"])
    assert found_one.detail == "the vault opens, and keeps a"
    assert "canary" not in repr(found)


async def test_none_is_needed(tmp_path: Path) -> None:
    # The store isn't asked: it could begin to wait for somebody.
    store = _Refusing(VaultLocked("the vault is locked"))
    (found,) = await examine(_config(tmp_path), store)
    assert found.result == "pass"


@pytest.mark.parametrize(
    "error",
    [
        VaultLocked("the vault is locked", hint="devwiz-gw vault unlock"),
        VaultMissing("there is no vault", hint="devwiz-gw vault init"),
        ProjectElsewhere("the project is another file's", hint="devwiz-gw vault bind"),
    ],
)
async def test_one_that_cant_be_used(tmp_path: Path, error: IdentityError) -> None:
    with pytest.raises(Unusable) as unusable:
        await examine(_config(tmp_path, "a"), _Refusing(error))
    finding = unusable.value.finding
    assert finding.result == "fail"
    assert str(error) in finding.detail
    assert finding.remedy == error.hint


def test_what_a_running_gateway_says() -> None:
    state = "the secret a is not set"
    listed = [
        {"name": "a", "route": "x", "state": state},
        {"name": "a", "route": "y", "state": state},
        {"name": "b", "route": "x", "state": "ready"},
        {"name": "token:t", "route": "x", "state": "gone"},
    ]
    (found,) = as_gateway_sees_them(listed)
    assert found.detail == f"a: {state} (for x, y)"
    (good,) = as_gateway_sees_them(listed[2:])
    assert good.detail == "the running gateway has read b"
