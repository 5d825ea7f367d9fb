"""Joins by rules over real HTTPS, with a real provider behind."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from certs import csr, keys, tls_context
from certs.clock import SystemClock
from certs.issuer.folder import init
from certs.issuer.http import IssuerServer
from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms, Provider, TokenTerms, service_account_rules
from tests.fakes.bound_key import proof, public_pem
from tests.fakes.issuer import PLANNER, TRUST_DOMAIN, audit_lines
from tests.fakes.oidc_provider import OidcProvider

AUDIENCE = "devwiz"


@pytest.fixture
def idp() -> Iterator[OidcProvider]:
    with OidcProvider() as idp:
        yield idp


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[IssuerServer]:
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=SystemClock().now())
    server = IssuerServer(folder)
    await server.start()
    yield server
    await server.stop()


async def post(server: IssuerServer, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    connector = aiohttp.TCPConnector(ssl=tls_context.stranger_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(server.url + path, json=body) as response,
    ):
        return response.status, json.loads(await response.text())


def request_pem() -> str:
    return csr.build(keys.generate()).decode()


def fresh(**claims: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"aud": AUDIENCE, "iat": now, "exp": now + 300, "sub": "agent:planner", **claims}


async def add_oidc(server: IssuerServer, provider: Provider) -> None:
    terms = TokenTerms(
        method="oidc",
        provider=provider,
        audiences=(AUDIENCE,),
        alternatives=((ClaimRule(path="sub", equals=("agent:planner",)),),),
    )
    await server.add_rule(RuleWish(name="ci", workload="planner", terms=terms))


async def test_an_identity_token_is_enough(
    server: IssuerServer, idp: OidcProvider, folder: Path
) -> None:
    await add_oidc(server, Provider(issuer=idp.issuer))
    token = idp.token(**fresh(jti="t-1"))
    request = request_pem()
    status, reply = await post(server, "/v1/join", rule="ci", id_token=token, csr_pem=request)
    assert (status, reply["spiffe_id"], reply["generation"]) == (200, PLANNER, 1)
    # Repeated with the same key: its answer was lost. With another: another instance.
    _, again = await post(server, "/v1/join", rule="ci", id_token=token, csr_pem=request)
    _, other = await post(server, "/v1/join", rule="ci", id_token=token, csr_pem=request_pem())
    assert again["instance"] == reply["instance"] != other["instance"]
    line = audit_lines(folder)[-1]
    assert line["token_id"] == "rule:ci"
    assert line["evidence"] == {
        "method": "oidc",
        "iss": idp.issuer,
        "sub": "agent:planner",
        "jti": "t-1",
    }
    assert token not in json.dumps(audit_lines(folder))


async def test_a_rotated_signing_key_costs_nobody_a_join(
    server: IssuerServer, idp: OidcProvider
) -> None:
    await add_oidc(server, Provider(issuer=idp.issuer))
    idp.rotate("idp-2")
    token = idp.token(**fresh())
    status, _ = await post(server, "/v1/join", rule="ci", id_token=token, csr_pem=request_pem())
    assert status == 200


async def test_a_provider_that_is_away_is_a_reason_to_wait(
    server: IssuerServer, idp: OidcProvider, folder: Path
) -> None:
    await add_oidc(server, Provider(issuer=idp.issuer))
    idp.answers["/jwks"] = 500
    token = idp.token(**fresh())
    status, reply = await post(server, "/v1/join", rule="ci", id_token=token, csr_pem=request_pem())
    assert (status, reply["code"]) == (503, "provider_unavailable")
    assert audit_lines(folder)[-1]["reason"] == "provider_unavailable"


async def test_nothing_is_fetched_for_a_token_that_cant_be_good(
    server: IssuerServer, idp: OidcProvider
) -> None:
    await add_oidc(server, Provider(issuer=idp.issuer))
    for rule, token, code in [
        ("ci", "a.b.c", "id_token_malformed"),
        ("ci", "eyJhbGciOiJub25lIiwia2lkIjoiaWRwLTEifQ.e30.AA", "id_token_algorithm"),
        ("nobody", idp.token(**fresh()), "join_rule_unknown"),
    ]:
        status, reply = await post(
            server, "/v1/join", rule=rule, id_token=token, csr_pem=request_pem()
        )
        assert (status, reply["code"]) == (401, code)
    assert not idp.asked


@pytest.mark.parametrize(
    ("account", "claims", "code"),
    [
        ("agents/planner", {}, ""),
        ("agents/plan*", {}, ""),
        ("agents/*", {}, ""),
        ("agents/other", {}, "id_token_claims"),
        ("other/planner", {}, "id_token_claims"),
        ("agents/planner", {"aud": "kubernetes"}, "id_token_audience"),
        ("agents/planner", {"sub": "system:serviceaccount:other:planner"}, "id_token_claims"),
        ("agents/planner", {"kubernetes.io": {"namespace": "other"}}, "id_token_claims"),
        ("agents/planner", {"kubernetes.io": "agents"}, "id_token_claims"),
    ],
)
async def test_a_service_account_is_known_by_namespace_and_name(
    server: IssuerServer, idp: OidcProvider, account: str, claims: dict[str, Any], code: str
) -> None:
    terms = TokenTerms(
        method="kubernetes",
        provider=Provider(issuer=idp.issuer, key_set=json.dumps(idp.jwks)),
        audiences=(AUDIENCE,),
        alternatives=(service_account_rules("spare/account"), service_account_rules(account)),
    )
    await server.add_rule(RuleWish(name="cluster", workload="planner", terms=terms))
    projected = {
        "sub": "system:serviceaccount:agents:planner",
        "kubernetes.io": {
            "namespace": "agents",
            "serviceaccount": {"name": "planner", "uid": "8a2f"},
            "pod": {"name": "planner-0"},
        },
    }
    token = idp.token(**fresh(**projected | claims))
    _, reply = await post(server, "/v1/join", rule="cluster", id_token=token, csr_pem=request_pem())
    assert reply.get("code", "") == code
    assert not idp.asked


async def test_a_bound_key_joins_over_the_wire(server: IssuerServer) -> None:
    key = keys.generate()
    wish = RuleWish(name="laptop", workload="planner", terms=BoundKeyTerms())
    secret = (await server.add_rule(wish)).registration
    assert secret is not None
    state: dict[str, str] = {"registration_secret": secret.reveal()}
    instances = set()
    for _ in range(3):
        request = csr.build(keys.generate())
        _, asked = await post(server, "/v1/challenge", purpose="join", subject="laptop")
        status, reply = await post(
            server,
            "/v1/join",
            rule="laptop",
            public_key_pem=public_pem(key),
            proof=proof(asked["challenge"], key, request),
            csr_pem=request.decode(),
            **state,
        )
        assert status == 200
        state = {"join_state": reply["join_state"]}
        instances.add(reply["instance"])
    assert len(instances) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/challenge", {}),
        ("/v1/challenge", {"purpose": "admin", "subject": "x"}),
        ("/v1/challenge", {"purpose": "join", "subject": "x" * 65}),
        ("/v1/join", {"rule": "ci"}),
        ("/v1/join", {"rule": 7, "id_token": "x", "csr_pem": "x"}),
        ("/v1/join", {"rule": "ci", "proof": "x", "csr_pem": "x"}),
        ("/v1/renew-ended", {"certificate_pem": "x", "proof": "x", "csr_pem": "x"}),
    ],
)
async def test_a_malformed_request_is_told(
    server: IssuerServer, path: str, body: dict[str, Any]
) -> None:
    status, reply = await post(server, path, **body)
    assert (status, reply["code"]) == (400, "malformed_request")


async def test_a_certificate_of_an_unknown_version_is_malformed(
    server: IssuerServer, folder: Path
) -> None:
    pem = await asyncio.to_thread((folder / "authorities/1/root.crt").read_text)
    good = ssl.PEM_cert_to_DER_cert(pem)
    version = bytes.fromhex("a0030201")
    spoilt = ssl.DER_cert_to_PEM_cert(good.replace(version + b"\x02", version + b"\x07", 1))
    status, reply = await post(
        server, "/v1/renew-ended", certificate_pem=spoilt, proof="a.b.c", csr_pem=request_pem()
    )
    assert (status, reply["code"]) == (400, "malformed_request")
