"""Each `[tokens.NAME]` becomes the source that it names, with what it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import AuditFailed, Journal
from gateway.config.model import (
    ClientCredentialsConfig,
    CredentialRef,
    ExecTokenConfig,
    FileTokenConfig,
    GoogleTokenConfig,
    OAuthClientConfig,
    SupabaseTokenConfig,
    TokenExchangeConfig,
)
from gateway.token_sources import TokenOpener, session_lock
from identity.errors import SecretNotFound, TokenDenied, TokenEnded, TokenUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from identity.token_sources.base import Token
from tests.fakes.supabase_auth import KEY, SupabaseAuth
from tests.fakes.token_endpoint import CLIENT_ID, CLIENT_SECRET, TYPE, TokenEndpoint

SECRET = CredentialRef("secret", "idp")
CLIENT = OAuthClientConfig(id=CLIENT_ID, secret=SECRET, method="basic")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.journal = folder / "state" / "audit.jsonl"
        self.env = {"XDG_STATE_HOME": str(folder), "SUBJECT": "subject", "PATH": "/usr/bin:/bin"}

    async def fetch(self, token: Any) -> Token:
        journal = Journal(self.journal, project="acme")
        opener = TokenOpener(store=self.store, journal=journal, env=self.env)
        source = opener(token, "acme")
        try:
            return await source.fetch()
        finally:
            await source.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as made:
        yield made


def credentials(endpoint: TokenEndpoint) -> ClientCredentialsConfig:
    return ClientCredentialsConfig(
        name="idp",
        token_url=f"{endpoint.url}/token",
        client=CLIENT,
        scope="",
        audience="",
        resource="",
        ca_file=None,
    )


async def test_client_credentials_put_the_secret_s_use_on_paper(
    bench: Bench, endpoint: TokenEndpoint
) -> None:
    with pytest.raises(SecretNotFound):
        await bench.fetch(credentials(endpoint))
    await bench.store.set(SecretRef("acme", "idp"), Secret(CLIENT_SECRET))
    assert (await bench.fetch(credentials(endpoint))).value.reveal() == "issued-1"
    lines = [json.loads(line) for line in bench.journal.read_text().splitlines()]
    assert ("secret.use", "idp") in {(line["action"], line["name"]) for line in lines}
    assert CLIENT_SECRET not in bench.journal.read_text()


async def test_a_file_that_is_not_there_may_come(bench: Bench, endpoint: TokenEndpoint) -> None:
    absent = CredentialRef("file", str(bench.folder / "absent"))
    token = credentials(endpoint)
    token = replace(token, client=replace(token.client, secret=absent))
    with pytest.raises(TokenUnavailable, match="absent can't be read: no such file"):
        await bench.fetch(token)


async def test_without_a_journal_no_secret_is_read(bench: Bench, endpoint: TokenEndpoint) -> None:
    await bench.store.set(SecretRef("acme", "idp"), Secret(CLIENT_SECRET))
    (bench.folder / "state").write_text("")
    with pytest.raises(AuditFailed):
        await bench.fetch(credentials(endpoint))
    assert endpoint.requests == []


async def test_token_exchange(bench: Bench, endpoint: TokenEndpoint) -> None:
    await bench.store.set(SecretRef("acme", "idp"), Secret(CLIENT_SECRET))
    token = TokenExchangeConfig(
        name="idp",
        token_url=f"{endpoint.url}/token",
        client=CLIENT,
        scope="",
        audience="",
        resource="",
        ca_file=None,
        subject=CredentialRef("env", "SUBJECT"),
        subject_type=TYPE + "jwt",
        requested_type=TYPE + "access_token",
    )
    assert (await bench.fetch(token)).value.reveal() == "issued-1"


async def test_a_program_and_a_file(bench: Bench) -> None:
    program = bench.folder / "helper"
    program.write_text('#!/bin/sh\necho "t-$SUBJECT-$XDG_STATE_HOME"\n')
    program.chmod(0o700)
    token = ExecTokenConfig(
        name="t", command=(str(program),), pass_env=("SUBJECT",), timeout_s=20.0, refresh_s=60.0
    )
    assert (await bench.fetch(token)).value.reveal() == "t-subject-"
    path = bench.folder / "token"
    path.touch(0o600)
    path.write_text("t")
    assert (await bench.fetch(FileTokenConfig(name="t", path=path))).value.reveal() == "t"


async def test_supabase(bench: Bench) -> None:
    with SupabaseAuth() as server:
        token = SupabaseTokenConfig(
            name="supabase",
            url=server.url,
            publishable_key=KEY,
            audience="authenticated",
            ca_file=None,
        )
        with pytest.raises(TokenEnded, match="nobody is signed in"):
            await bench.fetch(token)
    lock = session_lock("acme", "supabase", bench.env)
    assert lock == bench.folder / "devwiz-gw" / "acme" / "token-supabase.lock"


async def test_google(bench: Bench) -> None:
    token = GoogleTokenConfig(
        name="google",
        credential_file=bench.folder / "absent.json",
        audience="",
        scopes=(),
        allowed_hosts=(),
        ca_file=None,
        allow_executables=False,
    )
    with pytest.raises(TokenDenied, match="can't be read"):
        await bench.fetch(token)
