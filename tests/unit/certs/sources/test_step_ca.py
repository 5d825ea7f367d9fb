"""The step-ca source against the real step-ca, and against a server that poses as one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs import keys
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.sources.step_ca import StepCaSource
from identity.errors import SecretNotFound
from identity.secret_stores.base import Secret
from tests.fakes.certificates import AGENT, root
from tests.fakes.hostile_leaves import good, hostile_chains
from tests.fakes.impostors.step_ca import PosingStepCa
from tests.fakes.issuer import generation_of
from tests.fakes.oidc_provider import OidcProvider
from tests.fakes.step_ca import PROVISIONER, StepCa, jwk_of

real = pytest.mark.program("step-ca")
LAPTOP_TEMPLATE = {
    "subject": {},
    "sans": [{"type": "uri", "value": AGENT}],
    "keyUsage": ["digitalSignature"],
    "extKeyUsage": ["serverAuth", "clientAuth"],
}


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, provider: OidcProvider) -> Iterator[StepCa]:
    oidc = {
        "type": "OIDC",
        "name": "idp",
        "clientID": "devwiz-gw",
        "configurationEndpoint": provider.issuer,
        "options": {"x509": {"template": json.dumps(LAPTOP_TEMPLATE)}},
    }
    folder = tmp_path_factory.mktemp("unit") / "step-ca"
    with StepCa(folder, provisioners=[oidc]) as authority:
        authority.start()
        yield authority


def source_of(authority: StepCa, secret: str = "", **options: Any) -> StepCaSource:
    """A source with the provisioner's key, or `secret` in its place."""

    async def read() -> Secret:
        return Secret(secret or json.dumps(authority.provisioner_jwk))

    values: dict[str, Any] = {
        "url": authority.url,
        "fingerprint": authority.fingerprint,
        "spiffe_id": AGENT,
        "provisioner": PROVISIONER,
        "read_credential": read,
    }
    return StepCaSource(**(values | options))


def ready_token(authority: StepCa, **claims: Any) -> str:
    """What `step ca token` makes."""
    now = datetime.now(UTC)
    usual = {
        "iss": PROVISIONER,
        "aud": f"{authority.url}/1.0/sign",
        "sub": AGENT,
        "sans": [AGENT],
        "sha": authority.fingerprint,
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
        "jti": hashlib.sha256(repr(claims).encode()).hexdigest(),
    }
    key = jwt.PyJWK(authority.provisioner_jwk).key
    headers = {"kid": authority.provisioner_jwk["kid"]}
    return jwt.encode(usual | claims, key, "ES256", headers=headers)


# Against the real one


@real
async def test_the_bundle_is_the_cas_root_and_the_chain_leads_there(authority: StepCa) -> None:
    identity = await source_of(authority).obtain(None)
    assert identity.spiffe_id == AGENT
    assert identity.bundle_pem == authority.root.pem
    assert identity.chain_pem.count(b"BEGIN CERTIFICATE") == 2


@real
async def test_whom_it_trusts_is_told_without_a_credential(authority: StepCa) -> None:
    async def read() -> Secret:
        raise SecretNotFound("nothing is kept")

    source = source_of(authority, read_credential=read)
    assert await source.authorities() == authority.root.pem
    assert source.clock_skew_s is not None
    with pytest.raises(SourceDenied, match="no root with this fingerprint"):
        await source_of(authority, fingerprint="ab" * 32).authorities()


@real
async def test_a_renewal_has_a_new_key_and_spends_no_token(authority: StepCa) -> None:
    first = await source_of(authority).obtain(None)
    later = source_of(authority, "nothing of use")
    second = await later.obtain(generation_of(first))
    assert second.key_pem != first.key_pem
    assert second.spiffe_id == AGENT


@real
@pytest.mark.parametrize("form", ["pem", "jwk without an id"])
async def test_the_provisioners_key_may_be_pem(tmp_path: Path, form: str) -> None:
    key = keys.generate()
    with StepCa(tmp_path / "step-ca") as authority:
        public = jwk_of(key)
        thumbprint = {name: public[name] for name in ("crv", "kty", "x", "y")}
        text = json.dumps(thumbprint, separators=(",", ":"), sort_keys=True)
        digest = hashlib.sha256(text.encode()).digest()
        authority.provisioner_jwk = public | {"kid": jwt.utils.base64url_encode(digest).decode()}
        authority.configure()
        await asyncio.to_thread(authority.start)
        secret = keys.to_pem(key).decode() if form == "pem" else json.dumps(public)
        assert (await source_of(authority, secret).obtain(None)).spiffe_id == AGENT


@real
async def test_a_ready_token_is_good_once(authority: StepCa) -> None:
    source = source_of(authority, ready_token(authority, jti="once"), provisioner="")
    assert (await source.obtain(None)).spiffe_id == AGENT
    with pytest.raises(SourceDenied, match=r"sign: the step-ca .* refuses \(401\)") as caught:
        await source.obtain(None)
    assert "a token is good once (jti)" in caught.value.hint


@real
@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({"exp": datetime.now(UTC) - timedelta(minutes=2)}, "has expired"),
        ({"nbf": datetime.now(UTC) + timedelta(hours=2)}, "not valid yet"),
        ({"sha": "0" * 64}, "another root"),
        ({"sans": ["spiffe://acme.example/agent/other"]}, r"not for .* alone"),
        ({"sans": [AGENT, "other.example"]}, r"not for .* alone"),
        ({"aud": "https://other.example/1.0/sign"}, r"is for https://other\S* \(aud\)"),
        ({"aud": ["https://a.example/", "b"]}, r"is for https://a.example/, b \(aud\)"),
        ({"iss": "nobody"}, r"is of 'nobody' \(iss\)"),
    ],
)
async def test_a_useless_token_is_told_by_the_claim(
    authority: StepCa, claims: dict[str, Any], complaint: str
) -> None:
    source = source_of(authority, ready_token(authority, **claims), provisioner="")
    with pytest.raises(SourceDenied, match=complaint):
        await source.obtain(None)


@real
async def test_an_oidc_token_gives_the_name_of_the_cas_template(
    authority: StepCa, provider: OidcProvider
) -> None:
    now = datetime.now(UTC)
    token = provider.token(
        aud="devwiz-gw", sub="me", iat=now, exp=now + timedelta(minutes=5), nonce="n-1"
    )
    source = source_of(authority, token, provisioner="")
    assert (await source.obtain(None)).spiffe_id == AGENT
    other = source_of(
        authority,
        provider.token(aud="devwiz-gw", sub="me", exp=now + timedelta(minutes=5), nonce="n-2"),
        provisioner="",
        spiffe_id="spiffe://acme.example/agent/other",
    )
    with pytest.raises(ReplyRejected, match=r"sign: .*agent/other was asked for"):
        await other.obtain(None)


@real
async def test_an_unknown_provisioner_is_told_with_those_that_are_known(authority: StepCa) -> None:
    with pytest.raises(SourceDenied, match="no provisioner 'prod'") as caught:
        await source_of(authority, provisioner="prod").obtain(None)
    assert "'dev'" in caught.value.hint
    assert "'idp'" in caught.value.hint


@real
async def test_another_key_than_the_provisioners_is_told(authority: StepCa) -> None:
    other = json.dumps(jwk_of(keys.generate(), "key-2"))
    with pytest.raises(SourceDenied, match="knows provisioner 'dev' by another key") as caught:
        await source_of(authority, other).obtain(None)
    assert "key-2" in caught.value.hint


@real
async def test_a_forged_key_of_the_right_id_is_refused(authority: StepCa) -> None:
    forged = json.dumps(jwk_of(keys.generate(), "key-1"))
    with pytest.raises(SourceDenied, match=r"refuses \(401\)") as caught:
        await source_of(authority, forged).obtain(None)
    assert '"d"' not in str(caught.value) + caught.value.hint


@real
async def test_a_ca_that_was_made_anew_is_not_trusted(tmp_path: Path) -> None:
    with StepCa(tmp_path / "step-ca") as authority:
        await asyncio.to_thread(authority.start)
        source = source_of(authority)
        current = generation_of(await source.obtain(None))
        authority.kill()
        authority.make_authorities()
        await asyncio.to_thread(authority.start)
        with pytest.raises(SourceDenied, match=r"rekey: the server at .* is not the step-ca") as e:
            await source.obtain(current)
        assert "has no root with this fingerprint" in str(e.value)
        renewed = await source_of(authority).obtain(None)
        assert renewed.bundle_pem != current.bundle_pem


# Against one who poses as it


@pytest.fixture
async def posing() -> AsyncIterator[PosingStepCa]:
    posing = PosingStepCa()
    await posing.server.start()
    yield posing
    await posing.server.stop()


async def test_the_posing_one_is_honest_unless_told(posing: PosingStepCa) -> None:
    first = await posing.source().obtain(None)
    await posing.source().obtain(generation_of(first))
    assert [path for path in posing.server.paths() if "root" not in path] == [
        "/1.0/sign",
        "/1.0/rekey",
    ]
    leaf = x509.load_pem_x509_certificates(first.chain_pem)[0]
    assert posing.server.received[-2].client == leaf.public_bytes(Encoding.DER)


HOSTILE = [name for name, _ in hostile_chains(root(), keys.generate(), datetime.now(UTC))]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("operation", ["sign", "rekey"])
async def test_a_hostile_answer_is_never_used(
    posing: PosingStepCa, name: str, operation: str
) -> None:
    source = posing.source()
    current = generation_of(await source.obtain(None)) if operation == "rekey" else None
    posing.chain = lambda key: dict(hostile_chains(posing.root, key, posing.clock.now()))[name]
    with pytest.raises(ReplyRejected, match=f"^{operation}: "):
        await source.obtain(current)


async def test_a_root_with_another_fingerprint_gets_no_token(posing: PosingStepCa) -> None:
    other = root().pem.decode()
    posing.answer(f"/1.0/root/{posing.fingerprint}", {"ca": other})
    with pytest.raises(SourceDenied, match="another fingerprint"):
        await posing.source().obtain(None)
    assert len(posing.server.paths()) == 1


@pytest.mark.parametrize(
    "document",
    [[], {}, {"ca": 1}, {"ca": ""}, {"ca": "é"}, {"ca": "-----BEGIN CERTIFICATE-----"}],
)
async def test_an_odd_root_is_refused(posing: PosingStepCa, document: Any) -> None:
    posing.answer(f"/1.0/root/{posing.fingerprint}", document)
    with pytest.raises(ReplyRejected, match="trust: "):
        await posing.source().obtain(None)


@pytest.mark.parametrize("chain", [None, [], "x", [1], ["x"] * 11])
async def test_an_odd_answer_is_refused(posing: PosingStepCa, chain: Any) -> None:
    posing.answer("/1.0/sign", {"certChain": chain}, 201)
    with pytest.raises(ReplyRejected, match="sign: "):
        await posing.source().obtain(None)


async def test_a_member_that_is_there_twice_is_refused(posing: PosingStepCa) -> None:
    body = '{"certChain": [], "certChain": []}'
    posing.server.always("/1.0/sign", lambda: web.Response(text=body, status=201))
    with pytest.raises(ReplyRejected, match="not a JSON object"):
        await posing.source().obtain(None)


async def test_an_empty_bundle_trusts_nobody(posing: PosingStepCa) -> None:
    posing.answer("/1.0/roots", {"crts": []})
    with pytest.raises(ReplyRejected, match="trust: "):
        await posing.source().obtain(None)


async def test_the_servers_wish_to_wait_is_passed_on(posing: PosingStepCa) -> None:
    posing.server.always(
        "/1.0/sign", lambda: web.Response(status=429, headers={"Retry-After": "7"})
    )
    with pytest.raises(SourceUnavailable, match="can't answer now") as caught:
        await posing.source().obtain(None)
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("status", [307, 418])
async def test_another_kind_of_server_is_told(posing: PosingStepCa, status: int) -> None:
    posing.server.always("/1.0/sign", lambda: web.Response(status=status))
    with pytest.raises(ReplyRejected, match=f"status {status}, not as a step-ca does"):
        await posing.source().obtain(None)


async def test_a_silent_server_is_given_up(posing: PosingStepCa) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    posing.server.answers["/1.0/sign"] = hang
    with pytest.raises(SourceUnavailable, match=r"sign: .* didn't answer in 0\.3 s"):
        await posing.source(step_timeout_s=0.3).obtain(None)


async def test_clocks_that_differ_are_told_beside_a_refusal(posing: PosingStepCa) -> None:
    posing.answer("/1.0/sign", {"message": "no\nway"}, 401)
    posing.answer("/1.0/provisioners", {"provisioners": []})
    posing.clock.pass_by(timedelta(minutes=10))
    with pytest.raises(SourceDenied, match=r"refuses \(401\): no way") as caught:
        await posing.source().obtain(None)
    assert "clock is 600 s ahead of the server's" in caught.value.hint.replace("599", "600")


async def test_a_refused_renewal_falls_back_to_a_token(posing: PosingStepCa) -> None:
    source = posing.source()
    current = generation_of(await source.obtain(None))
    posing.answer("/1.0/rekey", {"message": "revoked"}, 401)
    assert (await source.obtain(current)).serial != current.serial


async def test_an_expired_identity_asks_by_its_own_key(posing: PosingStepCa) -> None:
    source = posing.source()
    current = generation_of(await source.obtain(None))
    late = good(posing.clock.now() + timedelta(hours=1))
    old = keys.from_pem(current.key_pem)
    chain = posing.root.chain_of(posing.root.leaf(old, late)).decode()
    posing.answer("/1.0/renew", {"certChain": [chain]}, 201)
    posing.clock.pass_by(timedelta(hours=1))
    renewed = await source.obtain(current)
    assert renewed.key_pem == current.key_pem
    assert renewed.not_after > current.not_after
    (asked,) = (item for item in posing.server.received if item.path == "/1.0/renew")
    assert asked.client == b""
    token = asked.headers["Authorization"].removeprefix("Bearer ")
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(
        token,
        old.public_key(),
        ["ES256"],
        audience=f"{posing.server.url}/1.0/renew",
        options=options,
    )
    assert claims["exp"] - claims["iat"] == 300
    assert len(jwt.get_unverified_header(token)["x5cInsecure"]) == 1


async def test_an_expired_identity_that_is_not_renewed_falls_back_to_a_token(
    posing: PosingStepCa,
) -> None:
    source = posing.source()
    current = generation_of(await source.obtain(None))
    posing.clock.pass_by(timedelta(hours=1))
    late = good(posing.clock.now())
    posing.chain = lambda key: posing.root.chain_of(posing.root.leaf(key, late))
    posing.answer("/1.0/renew", {"message": "certificate expired"}, 401)
    assert (await source.obtain(current)).key_pem != current.key_pem


async def test_a_renewal_that_is_not_to_be_had_now_spends_no_token(posing: PosingStepCa) -> None:
    source = posing.source()
    current = generation_of(await source.obtain(None))
    posing.answer("/1.0/rekey", {}, 503)
    before = posing.server.paths().count("/1.0/sign")
    with pytest.raises(SourceUnavailable, match="rekey: "):
        await source.obtain(current)
    assert posing.server.paths().count("/1.0/sign") == before


async def test_every_rung_that_was_refused_is_told(posing: PosingStepCa) -> None:
    async def nothing() -> Secret:
        raise SecretNotFound("provisioner-key is not kept", hint="set it")

    current = generation_of(await posing.source().obtain(None))
    posing.answer("/1.0/rekey", {"message": "revoked"}, 401)
    with pytest.raises(SourceDenied, match=r"rekey: .*revoked; sign: there is no") as caught:
        await posing.source(read_credential=nothing).obtain(current)
    assert caught.value.hint == "set it"


async def test_a_foreign_client_certificate_falls_back_to_a_token(posing: PosingStepCa) -> None:
    source = posing.source()
    current = generation_of(await source.obtain(None))
    other, key = root("other", start=posing.clock.now() - timedelta(days=1)), keys.generate()
    chain = other.chain_of(other.leaf(key, good(posing.clock.now())))
    current = replace(current, key_pem=keys.to_pem(key), chain_pem=chain)
    assert (await source.obtain(current)).spiffe_id == AGENT


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("nonsense", "not readable"),
        ('{"kty": "EC", "d": "hidden"}', "not readable"),
        ('{"kty": "oct", "k": "aGlkZGVu"}', "not readable"),
        ('{"protected": "x", "ciphertext": "hidden"}', "is encrypted"),
        ("-----BEGIN PRIVATE KEY-----\nhidden", "not a readable PEM"),
    ],
)
async def test_a_useless_key_is_told_and_not_shown(
    posing: PosingStepCa, secret: str, complaint: str
) -> None:
    posing.secret = secret
    with pytest.raises(SourceDenied, match=complaint) as caught:
        await posing.source().obtain(None)
    assert "hidden" not in str(caught.value) + caught.value.hint


async def test_a_ready_token_that_is_none_is_told(posing: PosingStepCa) -> None:
    posing.secret = "hidden"
    with pytest.raises(SourceDenied, match="not a JWT") as caught:
        await posing.source(provisioner="").obtain(None)
    assert "hidden" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "options", [{"url": "http://127.0.0.1"}, {"url": "https://ca/x"}, {"fingerprint": "12"}]
)
async def test_settings_of_the_wrong_form(posing: PosingStepCa, options: dict[str, str]) -> None:
    with pytest.raises(CertsError):
        posing.source(**options)
