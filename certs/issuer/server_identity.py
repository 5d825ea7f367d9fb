"""The issuer's own HTTPS certificate: signed by its authority, key in memory, renewed by itself."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from certs import keys, profiles, tls_context
from certs.clock import Clock
from certs.issuer.authorities import AuthoritySet
from certs.issuer.ca import RandomBytes
from certs.issuer.policy import ISSUER_PATH
from certs.profiles import LeafNames, Terms

_LIFE: Final = timedelta(hours=24)
_LOOPBACK_NAME: Final = "localhost"
_LOOPBACK: Final = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def issuer_id(trust_domain: str) -> str:
    """The SPIFFE id by which clients know a trust domain's issuer."""
    return f"spiffe://{trust_domain}{ISSUER_PATH}"


class ServerIdentity:
    """Keeps a server context's certificate fresh.

    `context` is for the listener. At each handshake the wall clock and the authorities are read;
    past half of the certificate's life, and when the authorities have changed, a new one takes
    over: no timer to miss while the machine sleeps, and whoever was just given a certificate of a
    new authority is let in with it.
    """

    def __init__(
        self,
        *,
        authorities: Callable[[], AuthoritySet],
        trust_domain: str,
        dns_names: Sequence[str],
        addresses: Sequence[Address],
        clock: Clock,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._authorities = authorities
        self._names = LeafNames(
            spiffe_id=issuer_id(trust_domain),
            dns_names=tuple(dict.fromkeys((_LOOPBACK_NAME, *dns_names))),
        )
        self._addresses = tuple(dict.fromkeys((*_LOOPBACK, *addresses)))
        self._clock = clock
        self._random = random
        self._current, self._renew_at = self._make(clock.now())
        self.context = self._current
        # `sni_callback` is called for each ClientHello, also one without a server name.
        self.context.sni_callback = self._on_hello

    def _on_hello(
        self, connection: ssl.SSLObject, _server_name: str | None, _context: ssl.SSLContext
    ) -> None:
        now = self._clock.now()
        if now >= self._renew_at or self._authorities() is not self._set:
            self._current, self._renew_at = self._make(now)
        if self._current is not self.context:
            connection.context = self._current

    def _make(self, now: datetime) -> tuple[ssl.SSLContext, datetime]:
        key = keys.generate()
        self._set = authorities = self._authorities()
        leaf = authorities.server.sign_server(
            key.public_key(),
            names=self._names,
            addresses=self._addresses,
            terms=Terms(serial=profiles.serial_from(self._random(20)), now=now, life=_LIFE),
        )
        context = tls_context.server_context(client_bundle_pem=authorities.roots_pem)
        tls_context.load_key_pair(
            context, key_pem=keys.to_pem(key), chain_pem=authorities.server.chain_pem(leaf)
        )
        return context, now + (leaf.not_valid_after_utc - now) / 2
