"""The google-wif source: the real google-auth against stand-ins that verify what they are sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs import keys
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.sources.google_token import OwnSubject
from certs.sources.google_wif import CaPool, GoogleWifSource
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret
from tests.fakes.certificates import AGENT, root
from tests.fakes.google_cloud import (
    AUDIENCE,
    POOL,
    Fault,
    GoogleCloud,
    workload_files,
)
from tests.fakes.hostile_leaves import hostile_chains
from tests.fakes.issuer import generation_of
from tests.fakes.oidc_provider import OidcProvider

CREATE = f"/v1/{POOL}/certificates"
EXCHANGE = "/v1/token"


@pytest.fixture(scope="module")
def provider() -> OidcProvider:
    provider = OidcProvider()
    provider.close()
    return provider


@pytest.fixture
def cloud(tmp_path: Path, provider: OidcProvider) -> Iterator[GoogleCloud]:
    with GoogleCloud(tmp_path) as cloud:
        cloud.jwks, cloud.issuer = provider.jwks, provider.issuer
        yield cloud


class Bench:
    """Writes credential files and makes sources for them."""

    def __init__(self, folder: Path, cloud: GoogleCloud, provider: OidcProvider) -> None:
        self.folder = folder
        self.cloud = cloud
        self.provider = provider
        self.file = folder / "external-account.json"
        self.pool = CaPool(
            url=cloud.url, name=POOL, subject_mode="REFLECTED_SPIFFE", lifetime_s=3600
        )

    def token(self, **claims: Any) -> str:
        now = datetime.now(UTC)
        usual = {"sub": "agent:laptop", "aud": AUDIENCE, "iat": now}
        return self.provider.token(**(usual | {"exp": now + timedelta(hours=1)} | claims))

    def from_file(self, text: str, **changes: Any) -> GoogleWifSource:
        path = self.folder / "token"
        path.write_text(text)
        return self.source(self.cloud.credentials({"file": str(path)}, **changes))

    def source(self, credentials: Any, **options: Any) -> GoogleWifSource:
        self.file.write_text(json.dumps(credentials))
        values: dict[str, Any] = {
            "pool": self.pool,
            "credential_file": self.file,
            "spiffe_id": AGENT,
            "allowed_hosts": frozenset({self.cloud.host}),
            "ca_file": self.cloud.ca_file,
        }
        return GoogleWifSource(**(values | options))


@pytest.fixture
def bench(tmp_path: Path, cloud: GoogleCloud, provider: OidcProvider) -> Bench:
    return Bench(tmp_path, cloud, provider)


# Ways to a token


async def test_a_token_in_a_file(bench: Bench) -> None:
    identity = await bench.from_file(bench.token()).obtain(None)
    assert identity.spiffe_id == AGENT
    assert identity.bundle_pem == bench.cloud.root.pem
    assert identity.chain_pem.count(b"BEGIN CERTIFICATE") == 2
    assert bench.cloud.paths == [EXCHANGE, CREATE, f"/v1/{POOL}:fetchCaCerts"]


async def test_a_token_from_a_url(bench: Bench) -> None:
    bench.cloud.subject = bench.token()
    source = {
        "url": f"{bench.cloud.url}/subject",
        "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "value"},
    }
    assert (await bench.source(bench.cloud.credentials(source)).obtain(None)).spiffe_id == AGENT


async def test_a_certificate_over_mutual_tls(bench: Bench) -> None:
    source = workload_files(bench.folder, bench.cloud.workloads)
    credentials = bench.cloud.credentials(
        source, subject_token_type="urn:ietf:params:oauth:token-type:mtls"
    )
    assert (await bench.source(credentials).obtain(None)).spiffe_id == AGENT


async def test_a_service_account(bench: Bench) -> None:
    source = bench.from_file(bench.token(), **bench.cloud.impersonation)
    assert (await source.obtain(None)).spiffe_id == AGENT
    assert bench.cloud.paths[1].endswith(":generateAccessToken")


@pytest.fixture
def executable(bench: Bench) -> dict[str, Any]:
    path = bench.folder / "token-source"
    reply = {
        "version": 1,
        "success": True,
        "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": bench.token(),
        "expiration_time": int(time.time()) + 600,
    }
    path.write_text(f"#!/bin/sh\ntouch {path}.ran\ncat <<'E'\n{json.dumps(reply)}\nE\n")
    path.chmod(0o755)
    return bench.cloud.credentials({"executable": {"command": str(path), "timeout_millis": 5000}})


async def test_an_executable_where_it_is_allowed(
    bench: Bench, executable: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    source = bench.source(executable, allow_executables=True)
    assert (await source.obtain(None)).spiffe_id == AGENT


async def test_an_executable_is_not_run_unless_it_is_allowed(
    bench: Bench, executable: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceDenied, match="token: "):
        await bench.source(executable, allow_executables=True).obtain(None)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    with pytest.raises(SourceDenied, match="names a program to run") as caught:
        await bench.source(executable).obtain(None)
    assert "allow_executables" in caught.value.hint
    assert not (bench.folder / "token-source.ran").exists()


def own_subject(key: ec.EllipticCurvePrivateKey) -> OwnSubject:
    async def read() -> Secret:
        return Secret(keys.to_pem(key).decode())

    return OwnSubject(
        issuer="https://laptop.acme.example", subject="agent:laptop", read_credential=read
    )


async def test_an_identity_of_our_own(bench: Bench) -> None:
    """The provider has an uploaded key set, and our key signs the subject token."""
    key = keys.generate()
    own = own_subject(key)
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    probe = jwt.get_unverified_header(await _signed(bench, own))
    bench.cloud.jwks = {"keys": [public | {"kid": probe["kid"], "alg": "ES256"}]}
    bench.cloud.issuer = own.issuer
    source = bench.source(bench.cloud.credentials(None), own=own)
    assert (await source.obtain(None)).spiffe_id == AGENT


async def _signed(bench: Bench, own: OwnSubject) -> str:
    source = bench.source(bench.cloud.credentials(None), own=own)
    return await source._tokens._signed_by(own)


async def test_one_subject_only(bench: Bench) -> None:
    credentials = bench.cloud.credentials({"file": "x"})
    with pytest.raises(SourceDenied, match="has a credential_source, and signer"):
        await bench.source(credentials, own=own_subject(keys.generate())).obtain(None)


async def test_a_signers_key_that_is_not_kept_is_told(bench: Bench) -> None:
    async def nothing() -> Secret:
        raise SecretNotFound("device-key is not kept")

    own = replace(own_subject(keys.generate()), read_credential=nothing)
    with pytest.raises(SourceDenied, match="token: there is no credential: device-key"):
        await bench.source(bench.cloud.credentials(None), own=own).obtain(None)


# Refusals of the exchange


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({"aud": "https://other.example"}, "InvalidAudienceError"),
        ({"iss": "https://other.example"}, "InvalidIssuerError"),
        ({"exp": datetime.now(UTC) - timedelta(minutes=1)}, "ExpiredSignatureError"),
        ({"iat": datetime.now(UTC) - timedelta(hours=25)}, "24 hours"),
        ({"iat": datetime.now(UTC) + timedelta(hours=1)}, "ImmatureSignatureError"),
        ({"sub": "user:me"}, "attribute condition"),
    ],
)
async def test_a_refused_subject_is_told_without_the_token(
    bench: Bench, claims: dict[str, Any], complaint: str
) -> None:
    token = bench.token(**claims)
    with pytest.raises(SourceDenied, match=f"token: .*{complaint}") as caught:
        await bench.from_file(token).obtain(None)
    assert token not in str(caught.value)
    assert token[:40] not in str(caught.value)
    assert "allowed audiences" in caught.value.hint
    assert bench.cloud.certificates == {}


async def test_a_foreign_certificate_is_refused(bench: Bench) -> None:
    source = workload_files(bench.folder, root("other", start=datetime.now(UTC)))
    credentials = bench.cloud.credentials(
        source, subject_token_type="urn:ietf:params:oauth:token-type:mtls"
    )
    with pytest.raises(CertsError, match="token: "):
        await bench.source(credentials).obtain(None)


@pytest.mark.parametrize(
    "change",
    [
        {"token_url": "https://evil.example/v1/token"},
        {"token_url": "http://127.0.0.1:1/v1/token"},
        {"token_url": "https://127.0.0.1:1/v1/token"},
        {"token_url": "file:///etc/passwd"},
        {"token_url": "https://user@127.0.0.1/v1/token"},
        {"service_account_impersonation_url": "https://evil.example/v1/x:generateAccessToken"},
        {"credential_source": {"url": "http://169.254.169.254/token"}},
    ],
)
async def test_a_hostile_file_sends_no_token_elsewhere(
    bench: Bench, change: dict[str, Any]
) -> None:
    with pytest.raises(SourceDenied, match="which is not allowed") as caught:
        await bench.from_file(bench.token(), **change).obtain(None)
    assert "allowed_hosts" in caught.value.hint
    assert set(bench.cloud.paths) <= {EXCHANGE}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"type": "service_account", "private_key": "hidden"},
        {"type": "external_account"},
        {"type": "external_account", "audience": 1, "token_url": 2, "credential_source": 3},
        {"type": "external_account", "credential_source": {"environment_id": "aws1"}},
    ],
)
async def test_a_broken_file_is_told(bench: Bench, document: Any) -> None:
    with pytest.raises(SourceDenied, match="token: ") as caught:
        await bench.source(document).obtain(None)
    assert "hidden" not in str(caught.value)


async def test_a_file_or_token_that_is_not_there_is_told(bench: Bench) -> None:
    credentials = bench.cloud.credentials({"file": str(bench.folder / "absent")})
    with pytest.raises(SourceDenied, match=r"token: .*absent"):
        await bench.source(credentials).obtain(None)
    source = bench.source({})
    bench.file.unlink()
    with pytest.raises(SourceDenied, match="can't be read: no such file"):
        await source.obtain(None)


# Faults on the way


@pytest.mark.parametrize("path", [EXCHANGE, ":generateAccessToken", CREATE, ":fetchCaCerts"])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_is_tried_again_when_it_is_wished(
    bench: Bench, path: str, status: int
) -> None:
    bench.cloud.fault = Fault(path, status=status, headers={"Retry-After": "7"})
    source = bench.from_file(bench.token(), **bench.cloud.impersonation)
    with pytest.raises(SourceUnavailable) as caught:
        await source.obtain(None)
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("path", [EXCHANGE, CREATE])
async def test_a_silent_service_is_given_up(bench: Bench, path: str) -> None:
    bench.from_file(bench.token())
    bench.cloud.fault = Fault(path, hang_s=0.4)
    source = bench.source(json.loads(bench.file.read_text()), step_timeout_s=0.2)
    with pytest.raises(SourceUnavailable):
        await source.obtain(None)
    # Until the service has answered all the same, so that the connection's end is seen.
    await asyncio.sleep(0.4)


@pytest.mark.parametrize("path", [EXCHANGE, CREATE])
@pytest.mark.parametrize(
    "body", [b"x" * 200_000, b"nonsense", b"[]", b"{}", b'{"access_token": 1, "a": "b"}']
)
async def test_odd_answers_are_refused(bench: Bench, path: str, body: bytes) -> None:
    bench.cloud.fault = Fault(path, body=body)
    with pytest.raises(CertsError):
        await bench.from_file(bench.token()).obtain(None)


async def test_a_redirect_is_not_followed(bench: Bench) -> None:
    away = {"Location": f"{bench.cloud.url}/elsewhere"}
    for path in (EXCHANGE, CREATE):
        bench.cloud.fault = Fault(path, status=307, headers=away)
        with pytest.raises(CertsError):
            await bench.from_file(bench.token()).obtain(None)
    assert "/elsewhere" not in bench.cloud.paths


async def test_a_lost_answer_makes_no_second_certificate(bench: Bench) -> None:
    source = bench.from_file(bench.token())
    bench.cloud.fault = Fault(CREATE, loses_answer=True)
    with pytest.raises(SourceUnavailable):
        await source.obtain(None)
    bench.cloud.fault = None
    identity = await source.obtain(None)
    (made,) = bench.cloud.certificates.values()
    assert identity.chain_pem.decode().startswith(made["pemCertificate"].strip())
    await source.obtain(generation_of(identity))
    assert len(bench.cloud.certificates) == 2


async def test_a_caller_without_the_right_is_told(bench: Bench) -> None:
    bench.pool = replace(bench.pool, subject_mode="DEFAULT")
    with pytest.raises(SourceDenied, match=r"create: .*refuses \(403\)") as caught:
        await bench.from_file(bench.token()).obtain(None)
    assert "roles/privateca" in caught.value.hint


async def test_a_pool_that_is_not_there_is_told(bench: Bench) -> None:
    bench.pool = replace(bench.pool, name=POOL + "x")
    with pytest.raises(SourceDenied, match=r"create: .*refuses \(404\).*not found"):
        await bench.from_file(bench.token()).obtain(None)


HOSTILE = [name for name, _ in hostile_chains(root(), keys.generate(), datetime.now(UTC))]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_certificate_is_never_used(bench: Bench, name: str) -> None:
    cloud = bench.cloud
    cloud.spoil = lambda csr: dict(
        hostile_chains(cloud.intermediate, csr, datetime.now(UTC))  # type: ignore[arg-type]
    )[name]
    source = bench.from_file(bench.token())
    with pytest.raises(ReplyRejected, match=r"^create: "):
        await source.obtain(None)
    cloud.spoil = None
    assert (await source.obtain(None)).spiffe_id == AGENT


async def test_the_services_host_has_to_be_allowed(bench: Bench) -> None:
    with pytest.raises(CertsError, match="not among allowed_hosts"):
        bench.source({}, allowed_hosts=frozenset({"sts.googleapis.com"}))


async def test_a_server_below_another_authority_gets_nothing(bench: Bench) -> None:
    other = bench.folder / "other.pem"
    other.write_bytes(root("other", start=datetime.now(UTC)).pem)
    bench.from_file(bench.token())
    source = bench.source(json.loads(bench.file.read_text()), ca_file=other)
    with pytest.raises(SourceUnavailable, match="its certificate is refused"):
        await source.obtain(None)
    assert bench.cloud.paths == []
