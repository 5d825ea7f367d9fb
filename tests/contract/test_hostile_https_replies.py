"""Identity sources over HTTPS against an issuer that turned hostile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.contract.hostile_replies_suite import HostileRepliesContract, HttpRepliesContract
from tests.fakes.certificates import AGENT
from tests.fakes.google_cloud import Fault, GoogleCloud
from tests.fakes.google_source import source_by_file
from tests.fakes.hostile_leaves import chain_of
from tests.fakes.impostors.issuer import PosingIssuer
from tests.fakes.impostors.step_ca import PosingStepCa
from tests.fakes.impostors.vault import PosingVault


def twice(document: dict[str, Any]) -> web.StreamResponse:
    """A JSON object whose first member is there twice, the same each time."""
    text = json.dumps(document)
    name, value = next(iter(document.items()))
    doubled = f"{{{json.dumps(name)}: {json.dumps(value)}, {text[1:]}"
    return web.Response(text=doubled, content_type="application/json", status=200)


def slow_down(seconds: int) -> web.StreamResponse:
    return web.json_response({}, status=429, headers={"Retry-After": str(seconds)})


class StepCaImpostor:
    """The CA that the fingerprint names."""

    judges_life = True

    def __init__(self, posing: PosingStepCa) -> None:
        self._posing = posing
        self.source = posing.source()

    async def pose(self, name: str) -> None:
        posing = self._posing
        posing.chain = lambda key: chain_of(name, posing.root, key, posing.clock.now())

    async def repeat_a_member(self) -> None:
        self._posing.server.always("/1.0/sign", lambda: twice({"certChain": ["x"]}))

    async def throttle(self, seconds: int) -> None:
        self._posing.server.always("/1.0/sign", lambda: slow_down(seconds))


class TestStepCa(HostileRepliesContract, HttpRepliesContract):
    @pytest.fixture
    async def impostor(self) -> AsyncIterator[StepCaImpostor]:
        posing = PosingStepCa()
        await posing.server.start()
        yield StepCaImpostor(posing)
        await posing.server.stop()


class VaultImpostor:
    """The Vault below `ca_file`."""

    judges_life = True

    def __init__(self, posing: PosingVault) -> None:
        self._posing = posing
        self.source = posing.source()

    async def pose(self, name: str) -> None:
        posing = self._posing
        posing.chain = lambda key: chain_of(name, posing.root, key, posing.clock.now())

    async def repeat_a_member(self) -> None:
        self._posing.server.always("/v1/pki/sign/agent", lambda: twice({"data": {}}))

    async def throttle(self, seconds: int) -> None:
        self._posing.server.always("/v1/pki/sign/agent", lambda: slow_down(seconds))


class TestVault(HostileRepliesContract, HttpRepliesContract):
    @pytest.fixture
    async def impostor(self, tmp_path: Path) -> AsyncIterator[VaultImpostor]:
        posing = PosingVault(tmp_path)
        await posing.server.start()
        yield VaultImpostor(posing)
        await posing.server.stop()


class GoogleImpostor:
    """The services at the allowed hosts, behind the real google-auth."""

    judges_life = True

    def __init__(self, folder: Path, cloud: GoogleCloud) -> None:
        self._cloud = cloud
        self.source = source_by_file(folder, cloud)

    async def pose(self, name: str) -> None:
        cloud = self._cloud
        cloud.spoil = (
            (lambda csr: chain_of(name, cloud.intermediate, csr, datetime.now(UTC)))
            if name
            else None
        )

    async def repeat_a_member(self) -> None:
        body = b'{"pemCertificate": "x", "pemCertificate": "x"}'
        self._cloud.fault = Fault("/certificates", body=body)

    async def throttle(self, seconds: int) -> None:
        headers = {"Retry-After": str(seconds)}
        self._cloud.fault = Fault("/certificates", status=429, headers=headers)


class TestGoogleWif(HostileRepliesContract, HttpRepliesContract):
    @pytest.fixture
    def impostor(self, tmp_path: Path) -> Iterator[GoogleImpostor]:
        with GoogleCloud(tmp_path) as cloud:
            yield GoogleImpostor(tmp_path, cloud)


class IssuerImpostor:
    """The issuer whose key is pinned."""

    judges_life = True

    def __init__(self, posing: PosingIssuer) -> None:
        self._posing = posing

        async def token() -> Secret:
            return Secret(f"dgwj_{'0' * 16}_{'a' * 64}")

        self.source = IssuerSource(
            url=posing.server.url,
            ca_pin=posing.pin,
            read_token=token,
            spiffe_id=AGENT,
            clock=posing.clock,
        )

    async def pose(self, name: str) -> None:
        posing = self._posing
        posing.chain = (
            (lambda key: chain_of(name, posing.signer, key, posing.clock.now()))
            if name
            else posing.honest_chain
        )

    async def repeat_a_member(self) -> None:
        self._posing.answer_joins(lambda: twice({"chain_pem": "x", "bundle_pem": "x"}))

    async def throttle(self, seconds: int) -> None:
        self._posing.answer_joins(lambda: slow_down(seconds))


class TestIssuer(HostileRepliesContract, HttpRepliesContract):
    @pytest.fixture
    async def impostor(self) -> AsyncIterator[IssuerImpostor]:
        posing = PosingIssuer()
        await posing.server.start()
        yield IssuerImpostor(posing)
        await posing.server.stop()
