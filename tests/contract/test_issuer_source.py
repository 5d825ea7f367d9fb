"""The issuer source keeps the contract of identity sources, whatever it joins by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from certs import keys
from certs.issuer.folder import init
from certs.issuer.http import IssuerServer
from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import (
    BoundKeyTerms,
    Provider,
    RecoveryMode,
    TokenTerms,
    service_account_rules,
)
from certs.issuer.one_time_tokens import Grant
from certs.sources.credential import ReadCredential
from certs.sources.device_key import ReadOnlyKey, StoredKey
from certs.sources.issuer import IssuerSource
from certs.sources.issuer_joins import BoundKey, IdentityToken, JoinWay, OneTimeToken
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore
from tests.contract.identity_source_suite import IdentitySourceContract
from tests.fakes.bound_key import public_pem
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock
from tests.fakes.oidc_provider import OidcProvider

AUDIENCE = "devwiz-gw"


class IssuerStage:
    """A real issuer on loopback; an outage is its end, and it comes back where it was."""

    makes_new_keys = True

    def __init__(self, folder: Path, idp: OidcProvider) -> None:
        self._folder = folder
        self._idp = idp
        self.clock = ManualClock()

    async def start(self, method: str) -> None:
        await asyncio.to_thread(init, self._folder, trust_domain=TRUST_DOMAIN, now=self.clock.now())
        self._server = IssuerServer(self._folder, clock=self.clock)
        await self._server.start()
        self.source = IssuerSource(
            url=self._server.url,
            ca_pin=self._server.ca_pin,
            ways=(await self._way(method),),
            clock=self.clock,
        )

    async def prepare_next(self) -> None:
        """The issuer always has a newer one."""

    async def break_off(self) -> None:
        await self._server.stop()

    async def mend(self) -> None:
        self._server = IssuerServer(self._folder, port=self._server.port, clock=self.clock)
        await self._server.start()

    async def stop(self) -> None:
        await self.source.close()
        await self._server.stop()

    async def _way(self, method: str) -> JoinWay:
        match method:
            case "token":
                grant = Grant(workload="planner", uses=10)
                return OneTimeToken(reader_of((await self._server.make_token(grant)).text))
            case "oidc":
                claim = ClaimRule(path="sub", like=("agent:*",))
                provider = Provider(issuer=self._idp.issuer)
                await self._add_rule(token_terms(method, provider, (claim,)))
                return IdentityToken("rule", self._token(sub="agent:planner"))
            case "kubernetes":
                provider = Provider(issuer=self._idp.issuer, key_set=json.dumps(self._idp.jwks))
                rules = service_account_rules("agents/planner")
                await self._add_rule(token_terms(method, provider, rules))
                account = {"namespace": "agents", "serviceaccount": {"name": "planner"}}
                subject = "system:serviceaccount:agents:planner"
                return IdentityToken("rule", self._token(sub=subject, **{"kubernetes.io": account}))
            case "static-key":
                key = keys.generate()
                await self._add_rule(bound_terms("insecure"), public_key_pem=public_pem(key))
                return BoundKey("rule", ReadOnlyKey(reader_of(Secret(keys.to_pem(key).decode()))))
            case _:
                secret = await self._add_rule(bound_terms("relaxed"))
                device = StoredKey(MemoryStore(), SecretRef("acme", "device-key"))
                return BoundKey("rule", device, reader_of(secret))

    async def _add_rule(self, terms: Any, **wish: Any) -> Secret:
        made = await self._server.add_rule(
            RuleWish(name="rule", workload="planner", terms=terms, **wish)
        )
        return made.registration or Secret("")

    def _token(self, **claims: Any) -> ReadCredential:
        async def read() -> Secret:
            now = int(self.clock.now().timestamp())
            return Secret(self._idp.token(aud=AUDIENCE, iat=now, exp=now + 300, **claims))

        return read


def token_terms(method: Any, provider: Provider, rules: tuple[ClaimRule, ...]) -> TokenTerms:
    return TokenTerms(
        method=method, provider=provider, audiences=(AUDIENCE,), alternatives=(rules,)
    )


def bound_terms(mode: RecoveryMode) -> BoundKeyTerms:
    return BoundKeyTerms(mode=mode)


def reader_of(secret: Secret) -> ReadCredential:
    async def read() -> Secret:
        return secret

    return read


@pytest.mark.parametrize(
    "stage", ["token", "oidc", "kubernetes", "bound-key", "static-key"], indirect=True
)
class TestIssuerSource(IdentitySourceContract):
    @pytest.fixture
    async def stage(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> AsyncIterator[IssuerStage]:
        with OidcProvider() as idp:
            stage = IssuerStage(tmp_path / "issuer", idp)
            await stage.start(request.param)
            yield stage
            await stage.stop()
