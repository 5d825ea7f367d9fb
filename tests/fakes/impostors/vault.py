"""A server that poses as a Vault, honest unless told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509

from certs.sources.vault import VaultEngine, VaultLogin, VaultSource
from identity.secret_stores.base import Secret
from tests.fakes.certificates import AGENT, root
from tests.fakes.hostile_leaves import good
from tests.fakes.issuer import ManualClock
from tests.fakes.scripted_https import ScriptedHttps, host_leaf


class Held:
    """A credential that is read, and how often it was."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads = 0

    async def __call__(self) -> Secret:
        self.reads += 1
        return Secret(self.text)


class PosingVault:
    """A scripted Vault, honest unless told."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.root = root(start=self.clock.now() - timedelta(days=1))
        honest = good(self.clock.now())
        self.server = ScriptedHttps(self.root, leaf=host_leaf(honest))
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.root.pem)
        self.chain: Callable[[Any], bytes] = lambda key: self.root.chain_of(
            self.root.leaf(key, honest)
        )
        self.held = Held("hidden")
        self.answer("auth/token/lookup-self", data={"ttl": 0, "renewable": False})
        self.answer("pki/issuers", data={"keys": ["a"]})
        self.answer("pki/issuer/a/json", data={"certificate": self.root.pem.decode()})
        self.server.answers["/v1/pki/sign/agent"] = self._sign

    def answer(self, path: str, status: int = 200, **document: Any) -> None:
        self.server.always(f"/v1/{path}", lambda: web.json_response(document, status=status))

    def source(self, **options: Any) -> VaultSource:
        engine = VaultEngine(url=self.server.url, ca_file=self.ca_file, role="agent")
        values: dict[str, Any] = {
            "engine": engine,
            "login": VaultLogin(method="token"),
            "read_credential": self.held,
            "spiffe_id": AGENT,
            "clock": self.clock,
        }
        return VaultSource(**(values | options))

    async def _sign(self, _request: web.Request) -> web.StreamResponse:
        csr = x509.load_pem_x509_csr(self.server.received[-1].json["csr"].encode())
        certificate = self.chain(csr).decode()
        data = {"certificate": certificate, "ca_chain": [self.root.pem.decode()]}
        return web.json_response({"data": data})
