"""The vault source against a real OpenBao, and against a server that poses as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs import keys
from certs.bundle import TrustBundle
from certs.errors import CertsError, ReplyRejected, SourceDenied, SourceUnavailable
from certs.sources.vault import VaultEngine, VaultLogin, VaultSource
from tests.fakes.certificates import AGENT, root
from tests.fakes.hostile_leaves import hostile_chains
from tests.fakes.impostors.vault import Held, PosingVault
from tests.fakes.issuer import ManualClock, generation_of
from tests.fakes.oidc_provider import OidcProvider
from tests.fakes.openbao import OpenBao

real = pytest.mark.program("bao")
TOKEN = VaultLogin(method="token")
JWT = VaultLogin(method="jwt", mount="jwt", role="gw")


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with OpenBao(tmp_path_factory.mktemp("unit") / "bao") as bao:
        bao.start()
        yield bao


def source_of(bao: OpenBao, login: VaultLogin, held: Held, **engine: Any) -> VaultSource:
    values: dict[str, Any] = {"url": bao.url, "ca_file": bao.ca_file, "role": "agent"}
    return VaultSource(
        engine=VaultEngine(**(values | engine)), login=login, read_credential=held, spiffe_id=AGENT
    )


# Against the real one


@real
async def test_a_given_token_is_taken_once(bao: OpenBao) -> None:
    held = Held(bao.token())
    source = source_of(bao, TOKEN, held)
    first = await source.obtain(None)
    assert first.spiffe_id == AGENT
    assert first.bundle_pem == bao.root.pem
    assert first.chain_pem.count(b"BEGIN CERTIFICATE") == 2
    second = await source.obtain(generation_of(first))
    assert second.key_pem != first.key_pem
    assert held.reads == 1


@real
async def test_whom_it_trusts_is_told_without_a_token(bao: OpenBao) -> None:
    held = Held("nothing of use")
    source = source_of(bao, TOKEN, held)
    assert TrustBundle.from_pem(await source.authorities()).authorities == (bao.root.certificate,)
    assert source.clock_skew_s is not None
    assert held.reads == 0


@real
async def test_an_approle_buys_a_token_and_again_when_that_is_revoked(bao: OpenBao) -> None:
    role_id, secret_id = bao.approle()
    held = Held(secret_id)
    source = source_of(bao, VaultLogin(method="approle", mount="approle", role_id=role_id), held)
    await source.obtain(None)
    await source.obtain(None)
    assert held.reads == 1
    assert source._token is not None
    bao.ask("POST", "auth/token/revoke", {"token": source._token.value})
    assert (await source.obtain(None)).spiffe_id == AGENT
    assert held.reads == 2


@real
async def test_a_token_that_ends_soon_is_not_used_any_more(bao: OpenBao) -> None:
    role_id, secret_id = bao.approle(life="5s")
    held = Held(secret_id)
    source = source_of(bao, VaultLogin(method="approle", mount="approle", role_id=role_id), held)
    await source.obtain(None)
    await source.obtain(None)
    assert held.reads == 2


@real
async def test_a_jwt_logs_in(bao: OpenBao) -> None:
    with OidcProvider() as provider:
        await asyncio.to_thread(bao.trust_provider, f"{provider.issuer}/jwks", "vault")
        now = datetime.now(UTC)
        times = {"iat": now - timedelta(seconds=5), "exp": now + timedelta(minutes=5)}
        held = Held(provider.token(sub="me", aud="vault", **times))
        assert (await source_of(bao, JWT, held).obtain(None)).spiffe_id == AGENT
        held = Held(provider.token(sub="me", aud="other", **times))
        with pytest.raises(SourceDenied, match=r"login: .*audience") as caught:
            await source_of(bao, JWT, held).obtain(None)
        assert held.text not in str(caught.value)


@real
async def test_a_namespace_is_asked(bao: OpenBao) -> None:
    bao.ask("POST", "sys/namespaces/team", {})
    authority = bao.add_engine("team")
    token = bao.ask("POST", "auth/token/create", {"policies": ["agent"]}, namespace="team")
    held = Held(token["auth"]["client_token"])
    identity = await source_of(bao, TOKEN, held, namespace="team").obtain(None)
    assert identity.bundle_pem == authority.pem


@real
async def test_while_the_authority_is_replaced_both_are_trusted(tmp_path: Path) -> None:
    with OpenBao(tmp_path / "bao") as bao:
        await asyncio.to_thread(bao.start)
        source = source_of(bao, TOKEN, Held(bao.token()))
        await source.obtain(None)
        fresh = bao.add_authority()
        identity = await source.obtain(None)
        bundle = TrustBundle.from_pem(identity.bundle_pem)
        assert set(bundle.authorities) == {bao.root.certificate, fresh.certificate}


@real
async def test_a_life_is_asked_for(bao: OpenBao) -> None:
    identity = await source_of(bao, TOKEN, Held(bao.token()), ttl_s=120).obtain(None)
    assert identity.not_after - datetime.now(UTC) < timedelta(seconds=121)


@real
@pytest.mark.parametrize(
    ("engine", "complaint"),
    [
        ({"role": "nobody"}, r"sign: .*refuses \((400|403)\)"),
        ({"mount": "pkx"}, r"sign: .*refuses \((403|404)\)"),
        ({"namespace": "none"}, r"login: .*refuses \((403|404)\)"),
    ],
)
async def test_a_wrong_address_is_told(
    bao: OpenBao, engine: dict[str, str], complaint: str
) -> None:
    held = Held(bao.token())
    with pytest.raises(SourceDenied, match=complaint) as caught:
        await source_of(bao, TOKEN, held, **engine).obtain(None)
    assert "mount" in caught.value.hint
    assert held.text not in str(caught.value) + caught.value.hint


@real
async def test_a_name_outside_of_the_role_is_told(bao: OpenBao) -> None:
    source = VaultSource(
        engine=VaultEngine(url=bao.url, ca_file=bao.ca_file, role="agent"),
        login=TOKEN,
        read_credential=Held(bao.token()),
        spiffe_id="spiffe://other.example/agent/laptop",
    )
    with pytest.raises(SourceDenied, match=r"sign: .*refuses \(400\): URI .* not valid") as caught:
        await source.obtain(None)
    assert "allowed_uri_sans" in caught.value.hint


@real
@pytest.mark.parametrize(
    "login", [TOKEN, VaultLogin(method="approle", mount="approle", role_id="r"), JWT]
)
async def test_a_wrong_credential_is_told_and_not_shown(bao: OpenBao, login: VaultLogin) -> None:
    with pytest.raises((SourceDenied, SourceUnavailable), match="login: ") as caught:
        await source_of(bao, login, Held("hidden-credential")).obtain(None)
    assert "hidden" not in str(caught.value) + caught.value.hint


@real
async def test_a_server_below_another_authority_gets_no_credential(
    bao: OpenBao, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(root(start=datetime.now(UTC)).pem)
    with pytest.raises(SourceDenied, match=r"login: the server at .* is not the Vault"):
        await source_of(bao, TOKEN, Held("t"), ca_file=other).obtain(None)
    with pytest.raises(SourceDenied, match=r"login: the server at .* is not the Vault"):
        await source_of(bao, TOKEN, Held("t"), ca_file=None).obtain(None)


# Against one who poses as it


@pytest.fixture
async def posing(tmp_path: Path) -> AsyncIterator[PosingVault]:
    posing = PosingVault(tmp_path)
    await posing.server.start()
    yield posing
    await posing.server.stop()


async def test_the_posing_one_is_honest_unless_told(posing: PosingVault) -> None:
    assert (await posing.source().obtain(None)).spiffe_id == AGENT
    tokens = [request.headers.get("X-Vault-Token") for request in posing.server.received]
    assert tokens == ["hidden", "hidden", None, None]


HOSTILE = [
    name
    for name, _ in hostile_chains(root(), keys.generate(), datetime.now(UTC))
    if name != "a huge chain"
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_answer_is_never_used(posing: PosingVault, name: str) -> None:
    posing.chain = lambda key: dict(hostile_chains(posing.root, key, posing.clock.now()))[name]
    if name == "a foreign chain":
        posing.answer("pki/issuers", data={"keys": ["a"]})
    with pytest.raises(ReplyRejected, match=r"^sign: "):
        await posing.source().obtain(None)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("auth/token/lookup-self", {}),
        ("auth/token/lookup-self", {"data": {"ttl": "1h"}}),
        ("auth/token/lookup-self", {"data": {"ttl": -1}}),
        ("auth/token/lookup-self", {"data": {"ttl": True}}),
        ("pki/sign/agent", {}),
        ("pki/sign/agent", {"data": []}),
        ("pki/sign/agent", {"data": {"certificate": 1}}),
        ("pki/sign/agent", {"data": {"certificate": "x", "ca_chain": ["x"] * 11}}),
        ("pki/sign/agent", {"data": {"certificate": "x", "ca_chain": ["é"]}}),
        ("pki/issuers", {"data": {"keys": []}}),
        ("pki/issuers", {"data": {"keys": ["a"] * 17}}),
        ("pki/issuer/a/json", {"data": {"certificate": "nonsense"}}),
    ],
)
async def test_an_odd_answer_is_refused(
    posing: PosingVault, path: str, document: dict[str, Any]
) -> None:
    posing.answer(path, **document)
    with pytest.raises(ReplyRejected, match=r"^(login|sign|trust): "):
        await posing.source().obtain(None)


@pytest.mark.parametrize("status", [412, 429, 500, 503])
async def test_what_passes_is_tried_again(posing: PosingVault, status: int) -> None:
    posing.answer("pki/sign/agent", status, errors=["Vault is sealed"])
    with pytest.raises(SourceUnavailable, match="Vault is sealed"):
        await posing.source().obtain(None)


async def test_a_redirect_is_not_followed(posing: PosingVault) -> None:
    posing.answer("auth/token/lookup-self", 307)
    with pytest.raises(ReplyRejected, match="status 307, not as a Vault does"):
        await posing.source().obtain(None)


async def test_a_token_is_kept_alive_while_nothing_else_happens(posing: PosingVault) -> None:
    posing.answer("auth/token/lookup-self", data={"ttl": 100, "renewable": True})
    posing.answer("auth/token/renew-self", auth={"lease_duration": 1000, "renewable": True})
    clock = Ticking(posing.clock, most=100)
    source = posing.source(clock=clock)
    await source.obtain(None)
    before = clock.now()
    with pytest.raises(EndOfTime):
        await source.changed()
    assert timedelta(seconds=1400) < clock.now() - before < timedelta(seconds=1600)
    assert posing.server.paths().count("/v1/auth/token/renew-self") == 3
    await source.obtain(None)
    assert posing.held.reads == 1


async def test_a_token_that_can_not_be_renewed_is_bought_anew(posing: PosingVault) -> None:
    posing.answer("auth/token/lookup-self", data={"ttl": 100, "renewable": True})
    posing.answer("auth/token/renew-self", 403, errors=["permission denied"])
    source = posing.source(clock=Ticking(posing.clock, most=10))
    await source.obtain(None)
    with pytest.raises(EndOfTime):
        await source.changed()
    await source.obtain(None)
    assert posing.held.reads == 2


async def test_a_ca_file_that_is_none_is_told(posing: PosingVault) -> None:
    posing.ca_file.write_text("nonsense")
    with pytest.raises(SourceDenied, match="holds no authority"):
        await posing.source().obtain(None)
    posing.ca_file.unlink()
    with pytest.raises(SourceDenied, match="can't be read"):
        await posing.source().obtain(None)


@pytest.mark.parametrize("text", ["a\nb", "é"])
async def test_a_token_that_no_header_takes_is_told(posing: PosingVault, text: str) -> None:
    posing.held.text = text
    with pytest.raises(SourceDenied, match="characters that no token has"):
        await posing.source().obtain(None)


async def test_settings_of_the_wrong_form(posing: PosingVault) -> None:
    engine = replace(posing.source()._engine, url="http://127.0.0.1:8200")
    with pytest.raises(CertsError, match="Vault url"):
        posing.source(engine=engine)


class EndOfTime(Exception):
    """The clock was slept on often enough."""


class Ticking:
    """A clock whose sleeps pass at once, until there were too many."""

    def __init__(self, clock: ManualClock, *, most: int) -> None:
        self._clock = clock
        self._left = most

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        if not self._left:
            raise EndOfTime
        self._left -= 1
        await self._clock.sleep(seconds)
