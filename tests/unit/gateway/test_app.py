from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from certs.sources.files import FilesSource
from certs.sources.issuer import IssuerSource
from gateway import app
from gateway.config.model import IdentityConfig, IssuerSourceConfig, JoinTokenRef, LogConfig
from gateway.errors import StartFailed
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.fakes import configs


async def test_the_join_token_is_read_from_where_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "join-token"
    path.write_text("from-file\n")
    store = MemoryStore()
    await store.set(SecretRef("acme", "join"), Secret("from-store"))
    env = {"JOIN": "from-env"}

    async def read(ref: JoinTokenRef | None) -> str:
        return (await app._join_token(ref, "acme", store, env)).reveal()

    assert await read(JoinTokenRef("file", str(path))) == "from-file"
    assert await read(JoinTokenRef("env", "JOIN")) == "from-env"
    assert await read(JoinTokenRef("secret", "join")) == "from-store"
    with pytest.raises(SecretNotFound, match="ABSENT is empty"):
        await read(JoinTokenRef("env", "ABSENT"))
    with pytest.raises(SecretNotFound, match="names no join token"):
        await read(None)
    with pytest.raises(FileNotFoundError):
        await read(JoinTokenRef("file", str(tmp_path / "absent")))


def test_the_identity_source_is_the_one_that_is_named(tmp_path: Path) -> None:
    config = configs.config(tmp_path)
    assert isinstance(app._source(config, MemoryStore(), {}), FilesSource)
    issuer = IssuerSourceConfig(
        url="https://127.0.0.1:8440", ca_pin="sha256:" + "0" * 64, token=None
    )
    config = replace(config, identity=IdentityConfig(source="issuer", issuer=issuer))
    assert isinstance(app._source(config, MemoryStore(), {}), IssuerSource)


async def test_a_log_that_can_not_be_opened_ends_the_start(tmp_path: Path) -> None:
    config = configs.config(tmp_path, log=LogConfig(file=tmp_path / "absent" / "gw.log"))
    with pytest.raises(StartFailed, match="can't open the log"):
        await app.serve(config, announce=print, env={})
