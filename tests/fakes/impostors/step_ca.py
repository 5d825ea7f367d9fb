"""A server that poses as a step-ca, honest unless told."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs import keys
from certs.sources.step_ca import StepCaSource
from identity.secret_stores.base import Secret
from tests.fakes.certificates import AGENT, root
from tests.fakes.hostile_leaves import good
from tests.fakes.issuer import ManualClock
from tests.fakes.scripted_https import ScriptedHttps, host_leaf
from tests.fakes.step_ca import PROVISIONER, jwk_of


class PosingStepCa:
    """A scripted step-ca: honest at first; `sign` says how it answers to a key."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.root = root(start=self.clock.now() - timedelta(days=1))
        honest = good(self.clock.now())
        self.server = ScriptedHttps(self.root, leaf=host_leaf(honest), clients=self.root)
        der = self.root.certificate.public_bytes(Encoding.DER)
        self.fingerprint = hashlib.sha256(der).hexdigest()
        self.chain: Any = lambda key: self.root.chain_of(self.root.leaf(key, honest))
        self.secret = json.dumps(jwk_of(keys.generate(), "key-1"))
        text = self.root.pem.decode()
        for path, document in (
            (f"/1.0/root/{self.fingerprint}", {"ca": text}),
            ("/1.0/roots", {"crts": [text]}),
        ):
            self.answer(path, document)
        for operation in ("sign", "rekey"):
            self.server.answers[f"/1.0/{operation}"] = self._certify

    def answer(self, path: str, document: Any, status: int = 200) -> None:
        self.server.always(path, lambda: web.json_response(document, status=status))

    def source(self, **options: Any) -> StepCaSource:
        async def read() -> Secret:
            return Secret(self.secret)

        values: dict[str, Any] = {
            "url": self.server.url,
            "fingerprint": self.fingerprint,
            "spiffe_id": AGENT,
            "provisioner": PROVISIONER,
            "read_credential": read,
            "clock": self.clock,
        }
        return StepCaSource(**(values | options))

    async def _certify(self, _request: web.Request) -> web.StreamResponse:
        csr = x509.load_pem_x509_csr(self.server.received[-1].json["csr"].encode())
        pem = self.chain(_Public(csr)).decode()
        parts = [part + "-----END CERTIFICATE-----\n" for part in pem.split("-----END CERT")[:-1]]
        crts = [part[part.index("-----BEGIN") :] for part in parts] or [pem]
        return web.json_response({"crt": crts[0], "certChain": crts}, status=201)


class _Public:
    """Stands where a signer wants a key of which it takes the public half only."""

    def __init__(self, csr: x509.CertificateSigningRequest) -> None:
        self._csr = csr

    def public_key(self) -> Any:
        return self._csr.public_key()
