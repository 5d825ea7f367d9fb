"""The identity source for smallstep's step-ca.

First contact: the root whose fingerprint the configuration has is fetched from whoever answers, and
held against the fingerprint. Only over a connection that this root vouches for, to the host of the
url, is a token sent.

Then there is a ladder, climbed down while a rung is refused: while the leaf is good, `rekey` over
mutual TLS, with a new key; after its end, `renew` by a token that the leaf's own key signs, where
the provisioner allows it; and last `sign`, with a one-time token.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from certs import csr, keys, tls_context
from certs.bundle import TrustBundle
from certs.clock import Clock, SystemClock
from certs.errors import CertsError, InvalidCertificate, ReplyRejected, SourceDenied
from certs.generation import Generation
from certs.keys import PrivateKey
from certs.sources import step_ca_token
from certs.sources.base import Identity
from certs.sources.credential import ReadCredential, credential
from certs.sources.https_call import NoAnswer
from certs.sources.step_ca_client import StepCaClient
from certs.sources.step_ca_token import TokenTerms
from certs.verify import verify_identity
from identity.spiffe import SpiffeId

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MIN_LIFE: Final = timedelta(seconds=5)
_MAX_LIFE: Final = timedelta(days=31)

_Rung = Callable[[], Awaitable[Identity]]


class StepCaSource:
    """An `IdentitySource` over a step-ca.

    Args:
        url: `https://HOST:PORT`; the host is checked against the CA's certificate.
        fingerprint: SHA-256 of the root certificate, 64 hex digits.
        spiffe_id: the name to ask for, and the only one that is accepted.
        provisioner: the JWK provisioner whose key `read_credential` gives, for making one-time
            tokens here; "" when it gives a ready token (of `step ca token`, or of an OIDC
            provider).
        read_credential: called for a signature only. It may raise a `Fault` or an `OSError`.
        clock: this machine's, when None.
        step_timeout_s: deadline of each step (trust, sign, rekey, renew, reading).

    Raises:
        CertsError: `url` or `fingerprint` has the wrong form.
        InvalidSpiffeId: `spiffe_id` is not one.
    """

    name = "step-ca"

    def __init__(
        self,
        *,
        url: str,
        fingerprint: str,
        spiffe_id: str,
        provisioner: str = "",
        read_credential: ReadCredential,
        clock: Clock | None = None,
        step_timeout_s: float = 10.0,
    ) -> None:
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise CertsError(
                "fingerprint has not the form of one", hint="expected 64 hexadecimal digits"
            )
        self._clock = clock or SystemClock()
        self._client = StepCaClient(url, timeout_s=step_timeout_s, now=self._clock.now)
        self._fingerprint = fingerprint
        self._spiffe_id = SpiffeId.parse_leaf(spiffe_id)
        self._provisioner = provisioner
        self._read_credential = read_credential
        self._step_timeout_s = step_timeout_s

    def __repr__(self) -> str:
        return f"StepCaSource({self._client})"

    @property
    def clock_skew_s(self) -> float | None:
        """See `IdentitySource.clock_skew_s`."""
        return self._client.skew_s

    async def obtain(self, current: Generation | None) -> Identity:
        """See `IdentitySource.obtain`."""
        refusals: list[SourceDenied] = []
        for rung in self._rungs(current):
            try:
                return await rung()
            except SourceDenied as error:
                refusals.append(error)
        text = "; ".join(str(error) for error in refusals)
        raise SourceDenied(text, hint=refusals[-1].own_hint or refusals[0].own_hint)

    async def authorities(self) -> bytes:
        """See `PublicSource.authorities`."""
        return await self._pinned_root()

    async def changed(self) -> None:
        """Never returns: a step-ca doesn't push."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """There is no connection to close."""

    def _rungs(self, current: Generation | None) -> list[_Rung]:
        if current is None:
            return [self._sign]
        if self._clock.now() < current.not_after:
            return [partial(self._rekey, current), self._sign]
        return [partial(self._renew_expired, current), self._sign]

    async def _rekey(self, current: Generation) -> Identity:
        key = keys.generate()
        context = _context("rekey", current.bundle_pem)
        tls_context.load_key_pair(context, key_pem=current.key_pem, chain_pem=current.chain_pem)
        try:
            chain_pem = await self._client.certify("rekey", context, body={"csr": self._csr(key)})
        except NoAnswer as error:
            # Without our certificate the CA answers, so it is the certificate that it dislikes.
            await self._client.roots(_context("rekey", current.bundle_pem))
            raise SourceDenied(
                f"rekey: the step-ca {self._client} ends connections with our certificate",
                hint="does it know another intermediate or root now? check both clocks, too",
            ) from error
        return await self._verified("rekey", key, chain_pem, current.bundle_pem)

    async def _renew_expired(self, current: Generation) -> Identity:
        now = self._clock.now()
        token = step_ca_token.renewal(
            key_pem=current.key_pem,
            chain_pem=current.chain_pem,
            audience=self._client.audience("renew"),
            now=now,
            jti=secrets.token_hex(16),
        )
        chain_pem = await self._client.certify(
            "renew", _context("renew", current.bundle_pem), token=token
        )
        # A renewal is for the same key; the next one, over mutual TLS, brings a new key.
        key = keys.from_pem(current.key_pem)
        return await self._verified("renew", key, chain_pem, current.bundle_pem)

    async def _sign(self) -> Identity:
        held = await credential(self._read_credential, step="sign", timeout_s=self._step_timeout_s)
        text, key = held.reveal().strip(), keys.generate()
        root_pem = await self._pinned_root()
        context = _context("trust", root_pem)
        body = {"csr": self._csr(key), "ott": self._token(text)}
        try:
            chain_pem = await self._client.certify("sign", context, body=body)
        except SourceDenied as error:
            raise await self._explained(error, text, context) from error
        return await self._verified("sign", key, chain_pem, root_pem)

    def _token(self, text: str) -> str:
        now = self._clock.now()
        terms = TokenTerms(
            audience=self._client.audience("sign"),
            fingerprint=self._fingerprint,
            spiffe_id=str(self._spiffe_id),
        )
        if not self._provisioner:
            step_ca_token.check_ready(text, terms=terms, now=now)
            return text
        return step_ca_token.mint(
            text, provisioner=self._provisioner, terms=terms, now=now, jti=secrets.token_hex(16)
        )

    async def _explained(
        self, error: SourceDenied, key_text: str, context: ssl.SSLContext
    ) -> SourceDenied:
        """The refusal of a token, with what the CA's list of provisioners tells about it."""
        try:
            known = await self._client.provisioners(context)
        except CertsError:
            known = []
        if not self._provisioner:
            return self._explained_token(error, key_text, known)
        named = [item for item in known if item.get("name") == self._provisioner]
        if known and not named:
            names = ", ".join(sorted(repr(item.get("name"))[:64] for item in known))
            hint = f"it has {names}; correct identity.step-ca.provisioner"
            return SourceDenied(
                f"sign: the step-ca has no provisioner {self._provisioner!r}", hint=hint
            )
        key_id = step_ca_token.key_id_of(key_text)
        if named and key_id not in [_key_id(item) for item in named]:
            return SourceDenied(
                f"sign: the step-ca knows provisioner {self._provisioner!r} by another key",
                hint=f"the configured key's id (kid) is {key_id}; give the provisioner's own key",
            )
        return error

    def _explained_token(
        self, error: SourceDenied, token: str, known: Sequence[Mapping[str, Any]]
    ) -> SourceDenied:
        names = [str(item.get("name")) for item in known]
        wrong = step_ca_token.wrong_claim(
            token, audience=self._client.audience("sign"), provisioners=names
        )
        if wrong:
            return SourceDenied(
                wrong,
                hint="make a new one: step ca token NAME --san SPIFFE-ID --issuer PROVISIONER",
            )
        return SourceDenied(
            str(error), hint=f"a token is good once (jti), for some minutes; {error.hint}"
        )

    async def _pinned_root(self) -> bytes:
        offered = await self._client.root(tls_context.stranger_context(), self._fingerprint)
        try:
            (root,) = TrustBundle.from_pem(offered).authorities
        except (InvalidCertificate, ValueError) as error:
            raise ReplyRejected("trust: the reply is not one CA certificate") from error
        der = root.public_bytes(Encoding.DER)
        if hashlib.sha256(der).hexdigest() != self._fingerprint:
            raise SourceDenied(
                f"trust: {self._client} offers a root with another fingerprint",
                hint="no token was sent; somebody may stand in between",
            )
        return root.public_bytes(Encoding.PEM)

    def _csr(self, key: PrivateKey) -> str:
        return csr.build(key, spiffe_id=str(self._spiffe_id)).decode()

    async def _verified(
        self, step: str, key: PrivateKey, chain_pem: bytes, trusted_pem: bytes
    ) -> Identity:
        roots_pem = await self._client.roots(_context("trust", trusted_pem))
        try:
            return verify_identity(
                key=key,
                chain_pem=chain_pem,
                bundle_pem=roots_pem,
                spiffe_id=self._spiffe_id,
                trust_domain=None,
                now=self._clock.now(),
                min_life=_MIN_LIFE,
                max_life=_MAX_LIFE,
            )
        except ReplyRejected as error:
            raise ReplyRejected(f"{step}: {error}", hint=error.hint) from error


def _context(step: str, bundle_pem: bytes) -> ssl.SSLContext:
    try:
        return tls_context.host_context(bundle_pem)
    except (ssl.SSLError, ValueError) as error:
        raise ReplyRejected(f"{step}: the trust bundle can't be used for TLS") from error


def _key_id(provisioner: object) -> object:
    key = provisioner.get("key") if isinstance(provisioner, dict) else None
    return key.get("kid") if isinstance(key, dict) else None
