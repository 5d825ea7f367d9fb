"""The identity source for the PKI engine of HashiCorp Vault and of OpenBao.

A token is given, or bought with an AppRole or a JWT. It is kept and renewed while it can be; a new
one is bought when it has ended or is refused. The key never leaves this machine: Vault signs a
request.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from certs import csr, keys, tls_context
from certs.clock import Clock, SystemClock
from certs.errors import CertsError, InvalidCertificate, ReplyRejected, SourceDenied
from certs.generation import Generation
from certs.sources.base import Identity
from certs.sources.credential import ReadCredential, credential
from certs.sources.pem_reply import anchors_of
from certs.sources.vault_client import Signed, TokenRefused, VaultClient, VaultToken
from certs.sources.verified_reply import verified_reply
from identity.spiffe import SpiffeId

_LOG: Final = logging.getLogger(__name__)
_TICK_S: Final = 15.0
_ENDS_SOON: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultLogin:
    """How a token is come by.

    Attributes:
        method: "token" takes the credential itself; "approle" pairs it, as secret id, with
            `role_id`; "jwt" shows it for the auth role `role`.
        mount: where the auth method is.
    """

    method: Literal["token", "approle", "jwt"]
    mount: str = ""
    role_id: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultEngine:
    """A role of a PKI engine, and the server that it is in.

    Attributes:
        url: `https://HOST:PORT`; the host is checked against the server's certificate.
        ca_file: the server's authorities, PEM; the operating system's when None.
        namespace: "" for the root one.
        mount: where the engine is.
        role: its role.
        ttl_s: the life to ask for, in seconds; None leaves it to the role.
    """

    url: str
    ca_file: Path | None = None
    namespace: str = ""
    mount: str = "pki"
    role: str
    ttl_s: int | None = None


class VaultSource:
    """An `IdentitySource` over a Vault or an OpenBao.

    Args:
        engine: what signs; its `url` has to be an https origin.
        login: how a token is come by.
        read_credential: gives what `login` needs. It may raise a `Fault` or an `OSError`.
        spiffe_id: the name to ask for, and the only one that is accepted.
        clock: this machine's, when None.
        step_timeout_s: deadline of each step (reading, login, sign, trust).

    Raises:
        CertsError: the url has the wrong form.
        InvalidSpiffeId: `spiffe_id` is not one.
    """

    name = "vault"

    def __init__(
        self,
        *,
        engine: VaultEngine,
        login: VaultLogin,
        read_credential: ReadCredential,
        spiffe_id: str,
        clock: Clock | None = None,
        step_timeout_s: float = 10.0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._client = VaultClient(
            engine.url,
            namespace=engine.namespace,
            context=self._context,
            now=self._clock.now,
            timeout_s=step_timeout_s,
        )
        self._engine = engine
        self._login = login
        self._read_credential = read_credential
        self._spiffe_id = SpiffeId.parse_leaf(spiffe_id)
        self._step_timeout_s = step_timeout_s
        self._token: VaultToken | None = None

    def __repr__(self) -> str:
        return f"VaultSource({self._client})"

    @property
    def clock_skew_s(self) -> float | None:
        """See `IdentitySource.clock_skew_s`."""
        return self._client.skew_s

    async def obtain(self, current: Generation | None) -> Identity:  # noqa: ARG002 - the protocol's
        """See `IdentitySource.obtain`."""
        key = keys.generate()
        body: dict[str, str] = {
            "csr": csr.build(key, spiffe_id=str(self._spiffe_id)).decode(),
            # For a role that takes names from the parameters and not from the request.
            "uri_sans": str(self._spiffe_id),
            "exclude_cn_from_sans": "true",
            "format": "pem",
        }
        if self._engine.ttl_s is not None:
            body["ttl"] = f"{self._engine.ttl_s}s"
        signed = await self._sign(body)
        issuers = await self._client.issuers(self._engine.mount)
        return self._verified(key, signed, issuers)

    async def authorities(self) -> bytes:
        """See `PublicSource.authorities`."""
        try:
            return anchors_of(await self._client.issuers(self._engine.mount))
        except InvalidCertificate as error:
            raise ReplyRejected(f"trust: {error}", hint=error.hint) from error

    async def changed(self) -> None:
        """Never returns: Vault doesn't push. Meanwhile the token is kept alive."""
        while True:
            token, now = self._token, self._clock.now()
            if token is None or token.renew_at is None or now < token.renew_at:
                await self._clock.sleep(_TICK_S)
                continue
            try:
                self._token = await self._client.renew(token)
            except CertsError as error:
                _LOG.debug("the token was not renewed: %s", error)
                # It is bought anew when it is needed.
                self._token = None

    async def close(self) -> None:
        """Forget the token; there is no connection to close."""
        self._token = None

    async def _sign(self, body: dict[str, str]) -> Signed:
        kept = self._token
        if kept is not None and self._is_good(kept):
            try:
                return await self._client.sign(kept, self._engine.mount, self._engine.role, body)
            except TokenRefused:
                self._token = None
        self._token = token = await self._new_token()
        return await self._client.sign(token, self._engine.mount, self._engine.role, body)

    async def _new_token(self) -> VaultToken:
        held = await credential(self._read_credential, step="login", timeout_s=self._step_timeout_s)
        text, login = held.reveal().strip(), self._login
        match login.method:
            case "token":
                if not (text.isascii() and text.isprintable()):
                    raise SourceDenied("login: the token has characters that no token has")
                return await self._client.look_up(text)
            case "approle":
                body = {"role_id": login.role_id, "secret_id": text}
                return await self._client.log_in(login.mount, body)
            case "jwt":
                return await self._client.log_in(login.mount, {"role": login.role, "jwt": text})

    def _is_good(self, token: VaultToken) -> bool:
        return token.expires is None or self._clock.now() + _ENDS_SOON < token.expires

    def _verified(self, key: keys.PrivateKey, signed: Signed, issuers: tuple[str, ...]) -> Identity:
        made = (signed.leaf_pem, *signed.authorities_pem)
        wanted, now = self._spiffe_id, self._clock.now()
        return verified_reply("sign", made, issuers, key=key, spiffe_id=wanted, now=now)

    async def _context(self) -> ssl.SSLContext:
        ca_file = self._engine.ca_file
        try:
            bundle_pem = await asyncio.to_thread(ca_file.read_bytes) if ca_file else None
            return tls_context.host_context(bundle_pem)
        except (ssl.SSLError, ValueError) as error:
            raise SourceDenied(
                f"login: {ca_file} holds no authority",
                hint="expected the certificate that signed the Vault's own, PEM",
            ) from error
        except OSError as error:
            raise SourceDenied(f"login: {ca_file} can't be read: {error.strerror}") from error
