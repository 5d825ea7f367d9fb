from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.token_sources.google import GoogleTokenSource
from identity.token_sources.google_transport import PinnedTransport
from tests.fakes.google_cloud import ACCOUNT, AUDIENCE, PERSON, Fault, GoogleCloud
from tests.fakes.oidc_provider import OidcProvider

API = "https://planner.example.com"


class Bench:
    def __init__(self, folder: Path, cloud: GoogleCloud) -> None:
        self.cloud = cloud
        self.file = folder / "credentials.json"
        self._folder = folder

    def source(
        self, info: dict[str, Any], *, audience: str = "", host: str = ""
    ) -> GoogleTokenSource:
        self.file.write_text(json.dumps(info))
        transport = PinnedTransport(
            allowed_hosts=frozenset({host or self.cloud.host}),
            ca_file=self.cloud.ca_file,
            timeout_s=10,
        )
        return GoogleTokenSource(
            self.file, transport, audience=audience, scopes=["s"], allow_executables=False
        )

    def federated(self, **more: Any) -> dict[str, Any]:
        """Credentials of a workload elsewhere."""
        provider = OidcProvider()
        provider.close()
        self.cloud.jwks, self.cloud.issuer = provider.jwks, provider.issuer
        now = datetime.now(UTC)
        end = now + timedelta(hours=1)
        token = provider.token(sub="agent:laptop", aud=AUDIENCE, iat=now, exp=end)
        (self._folder / "token").write_text(token)
        return self.cloud.credentials({"file": str(self._folder / "token")}) | more

    def impersonating(self) -> dict[str, Any]:
        """What `gcloud … --impersonate-service-account` writes."""
        return {
            "type": "impersonated_service_account",
            "source_credentials": self.cloud.person,
            **self.cloud.impersonation,
        }


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with GoogleCloud(tmp_path) as cloud:
        yield Bench(tmp_path, cloud)


def infos(bench: Bench) -> dict[str, dict[str, Any]]:
    return {
        "person": bench.cloud.person,
        "account": bench.cloud.service_account,
        "federated": bench.federated(),
        "federated account": bench.federated(**bench.cloud.impersonation),
        "impersonated": bench.impersonating(),
    }


@pytest.mark.parametrize(
    "kind", ["person", "account", "federated", "federated account", "impersonated"]
)
async def test_an_access_token(bench: Bench, kind: str) -> None:
    token = await bench.source(infos(bench)[kind]).fetch()
    assert token.value.reveal().startswith("ya29.")
    assert token.expires_at is not None
    assert 3000 < (token.expires_at - datetime.now(UTC)).total_seconds() <= 3600


@pytest.mark.parametrize("kind", ["account", "federated account", "impersonated"])
async def test_an_id_token(bench: Bench, kind: str) -> None:
    token = await bench.source(infos(bench)[kind], audience=API).fetch()
    claims = jwt.decode(token.value.reveal(), options={"verify_signature": False})
    assert (claims["aud"], claims["email"]) == (API, ACCOUNT)
    assert token.expires_at == datetime.fromtimestamp(claims["exp"], UTC)


@pytest.mark.parametrize("kind", ["person", "federated"])
async def test_who_is_no_service_account_has_no_id_token(bench: Bench, kind: str) -> None:
    with pytest.raises(TokenDenied, match="impersonate no service account"):
        await bench.source(infos(bench)[kind], audience=API).fetch()
    assert bench.cloud.paths == []


async def test_a_file_sends_nothing_to_other_hosts(bench: Bench) -> None:
    for info in infos(bench).values():
        with pytest.raises(TokenDenied, match="which is not allowed"):
            await bench.source(info, host="oauth2.googleapis.com").fetch()
    assert bench.cloud.paths == []


async def test_a_program_is_not_run(bench: Bench) -> None:
    info = bench.federated() | {"credential_source": {"executable": {"command": "/bin/true"}}}
    with pytest.raises(TokenDenied, match="names a program"):
        await bench.source(info).fetch()


async def test_a_refusal_shows_no_token(bench: Bench) -> None:
    info = bench.cloud.person | {"refresh_token": "1//another-refresh-token"}
    with pytest.raises(TokenDenied, match="expired or revoked") as caught:
        await bench.source(info).fetch()
    told = str(caught.value) + caught.value.hint
    assert "another-refresh-token" not in told
    assert PERSON[1] not in told


async def test_a_service_in_trouble_is_asked_later(bench: Bench) -> None:
    bench.cloud.fault = Fault("", status=503, headers={"Retry-After": "9"})
    for kind in ("federated account", "impersonated"):
        with pytest.raises(TokenUnavailable):
            await bench.source(infos(bench)[kind], audience=API).fetch()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"type": 1}', '{"type": "magic"}', '{"type": "authorized_user"}']
)
async def test_a_file_of_another_shape_is_refused(bench: Bench, text: str) -> None:
    source = bench.source({})
    bench.file.write_text(text)
    with pytest.raises(TokenDenied):
        await source.fetch()
    bench.file.unlink()
    with pytest.raises(TokenDenied, match="can't be read"):
        await source.fetch()


@pytest.mark.parametrize("inner", [None, {"type": "impersonated_service_account"}])
async def test_a_chain_of_itself_is_refused(bench: Bench, inner: object) -> None:
    with pytest.raises(TokenDenied, match="no source_credentials"):
        await bench.source(bench.impersonating() | {"source_credentials": inner}).fetch()
