from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import (
    ClientCredentialsConfig,
    CredentialRef,
    ExecTokenConfig,
    FileTokenConfig,
    GoogleTokenConfig,
    SupabaseTokenConfig,
    TokenConfig,
    TokenExchangeConfig,
)
from gateway.config.table import Table
from gateway.config.tokens import read_tokens
from gateway.errors import ConfigProblem

URL = "https://idp.example.com/oauth/token"


def read(**keys: Any) -> tuple[tuple[TokenConfig, ...], list[ConfigProblem]]:
    problems: list[ConfigProblem] = []
    table = Table({"t": keys}, "tokens", problems)
    tokens = read_tokens(table, base=Path("/etc/gw"), project="acme")
    table.finish()
    return tokens, problems


def good(**keys: Any) -> TokenConfig:
    tokens, problems = read(**keys)
    assert problems == []
    return tokens[0]


def problems_of(**keys: Any) -> str:
    return " | ".join(f"{item.key} {item.message} {item.hint}" for item in read(**keys)[1])


def test_supabase() -> None:
    token = good(
        source="supabase", url="https://ref.supabase.co/", publishable_key="sb_publishable_x"
    )
    assert token == SupabaseTokenConfig(
        name="t",
        url="https://ref.supabase.co",
        publishable_key="sb_publishable_x",
        audience="authenticated",
        ca_file=None,
    )
    good(source="supabase", url="http://127.0.0.1:54321", publishable_key="k")


def test_client_credentials() -> None:
    token = good(
        source="client-credentials",
        token_url=URL,
        client_id="gw",
        client_secret_secret="idp",
        client_auth="post",
        scope="a b",
        resource="https://api",
        ca_file="ca.pem",
    )
    assert isinstance(token, ClientCredentialsConfig)
    assert token.client.secret == CredentialRef("secret", "idp")
    assert (token.client.method, token.scope) == ("post", "a b")
    assert token.ca_file == Path("/etc/gw/ca.pem")


def test_token_exchange() -> None:
    token = good(source="token-exchange", token_url=URL, subject_token_file="jwt")
    assert isinstance(token, TokenExchangeConfig)
    assert token.subject == CredentialRef("file", "/etc/gw/jwt")
    assert token.subject_type == "urn:ietf:params:oauth:token-type:jwt"
    assert token.client is None


def test_google() -> None:
    token = good(source="google", credential_file="adc.json", audience="https://api")
    assert isinstance(token, GoogleTokenConfig)
    assert "oauth2.googleapis.com" in token.allowed_hosts
    token = good(source="google", credential_file="a", allowed_hosts=["127.0.0.1:1"], scopes=["s"])
    assert isinstance(token, GoogleTokenConfig)
    assert (token.allowed_hosts, token.scopes) == (("127.0.0.1:1",), ("s",))


def test_exec_and_file() -> None:
    token = good(source="exec", command=["/bin/t", "a"], allow=True, pass_env=["A"], timeout_s=3)
    assert token == ExecTokenConfig(
        name="t", command=("/bin/t", "a"), pass_env=("A",), timeout_s=3.0, refresh_s=300.0
    )
    assert good(source="file", path="t") == FileTokenConfig(name="t", path=Path("/etc/gw/t"))


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, "tokens.t.source is missing"),
        ({"source": "magic"}, "not known"),
        ({"source": "exec", "command": ["/bin/t"]}, "tokens.t.allow a program is run only where"),
        ({"source": "exec", "command": ["t"], "allow": True}, "not an absolute path"),
        ({"source": "exec", "command": ["/t"], "allow": True, "pass_env": ["A=B"]}, "variable"),
        ({"source": "exec", "allow": True}, "tokens.t.command is missing"),
        ({"source": "file"}, "tokens.t.path is missing"),
        ({"source": "file", "path": "t", "audience": "a"}, "tokens.t.audience unknown key"),
        ({"source": "client-credentials", "token_url": URL}, "client_id is missing"),
        (
            {"source": "client-credentials", "token_url": URL, "client_id": "a"},
            "client_secret_secret is missing",
        ),
        (
            {"source": "token-exchange", "token_url": "http://idp.example.com/t"},
            "plaintext stays on this machine",
        ),
        ({"source": "token-exchange", "token_url": "http://localhost/t"}, "127.0.0.1"),
        ({"source": "token-exchange", "token_url": URL + "?a=b"}, "more than an address"),
        ({"source": "token-exchange", "token_url": "https://a@idp/t"}, "more than an address"),
        ({"source": "token-exchange", "token_url": URL}, "subject_token_file is missing"),
        (
            {"source": "token-exchange", "token_url": URL, "resource": "/relative"},
            "not an absolute URI",
        ),
        (
            {"source": "supabase", "url": "https://r.supabase.co/auth", "publishable_key": "k"},
            "holds a path",
        ),
        (
            {
                "source": "supabase",
                "url": "https://r.supabase.co",
                "publishable_key": "sb_secret_x",
            },
            "is a secret key",
        ),
        (
            {"source": "google", "credential_file": "f", "audience": "a", "scopes": ["s"]},
            "an ID token has an audience",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_key(keys: dict[str, Any], why: str) -> None:
    told = problems_of(**keys)
    assert why in told
    assert "sb_secret_x" not in told


def test_a_name_that_no_header_could_write_is_refused() -> None:
    problems: list[ConfigProblem] = []
    raw = {"A b": {"source": "file", "path": "t"}}
    assert read_tokens(Table(raw, "tokens", problems), base=Path("/"), project="acme") == ()
    assert "not a token's name" in problems[0].message
