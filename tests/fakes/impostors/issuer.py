"""A server that poses as the issuer, with the issuer's own keys, honest unless told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aiohttp import web
from cryptography import x509

from certs.issuer import ca
from certs.profiles import LeafNames, Terms, serial_from
from tests.fakes.certificates import AGENT, Signer
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock
from tests.fakes.scripted_issuer import ScriptedIssuer


class PosingIssuer:
    """Answers joins and renewals with what `chain` makes for the key of the request."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        made = ca.make(trust_domain=TRUST_DOMAIN, now=self.clock.now(), random=os.urandom)
        authority = self._authority = made.authority
        self.pin = authority.pin
        self.signer = Signer(
            certificate=authority.issuing, key=authority.issuing_key, above=(authority.root,)
        )
        self.server = ScriptedIssuer(authority, self.clock)
        self._bundle = ca.to_pem(authority.root)
        self.chain: Callable[[Any], bytes] = self.honest_chain
        self.server.always("/v1/bundle.pem", lambda: web.Response(body=self._bundle))
        for path in ("/v1/join", "/v1/renew"):
            self.server.answers[path] = self._issue

    def honest_chain(self, key: Any) -> bytes:
        """As the issuer makes it, so that its own server takes the certificate at a renewal."""
        leaf = self._authority.sign_workload(
            key.public_key(),
            names=LeafNames(spiffe_id=AGENT),
            terms=Terms(
                serial=serial_from(os.urandom(20)), now=self.clock.now(), life=timedelta(hours=1)
            ),
        )
        return self._authority.chain_pem(leaf)

    def answer_joins(self, response: Callable[[], web.StreamResponse]) -> None:
        self.server.always("/v1/join", response)

    async def _issue(self, _request: web.Request) -> web.StreamResponse:
        asked = json.loads(self.server.received[-1])
        csr = x509.load_pem_x509_csr(asked["csr_pem"].encode())
        document = {"chain_pem": self.chain(csr).decode(), "bundle_pem": self._bundle.decode()}
        return web.json_response(document)
