"""The issuer that ships here, embedded in a rehearsal: its operations, state and authorities, by
the rehearsal's time. HTTP and TLS are left out: OpenSSL judges a handshake by the machine's time.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import csr, keys
from certs.clock import Clock
from certs.errors import SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import OpenedIssuer, init, open_issuer
from certs.issuer.limits import Limits, Rates
from certs.issuer.one_time_tokens import Grant
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from certs.issuer.worker import Worker
from certs.sources.base import Identity
from certs.sources.credential import ReadCredential
from certs.verify import verify_identity
from identity.secret_stores.base import Secret
from identity.spiffe import SpiffeId, TrustDomain

_PEER: Final = "rehearsal"
_TOKEN_LIFE: Final = timedelta(days=365)
_MIN_LIFE: Final = timedelta(seconds=5)
_MAX_LIFE: Final = timedelta(days=31)
# Memory, so that the throw-away keys are on no disk and no disk is waited for.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it is made by `tempfile`

_TEMPORARY: Final = frozenset(
    {
        Code.RATE_LIMITED,
        Code.INTERNAL,
        Code.STATE_UNAVAILABLE,
        Code.AUDIT_UNAVAILABLE,
        Code.AUTHORITY_EXPIRED,
        Code.OVERLOADED,
        Code.KEY_REUSED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the embedded issuer is to be.

    `life` is that of its certificates, `trust_domain` the one that it names.
    """

    trust_domain: str
    life: timedelta


class EmbeddedIssuer:
    """A new issuer in a folder that is removed at the end; see `embedded_issuer`."""

    def __init__(self, opened: OpenedIssuer, worker: Worker, clock: Clock) -> None:
        self._service = opened.service
        self._rotation = opened.rotation
        self._worker = worker
        self._clock = clock
        self._changed = asyncio.Event()

    async def token(self, workload: str, *, uses: int) -> Secret:
        """A join token that is good for so many joins."""
        grant = Grant(workload=workload, uses=uses, life=_TOKEN_LIFE)
        made = await self._worker.run(lambda: self._service.make_token(grant, self._clock.now()))
        return made.text

    async def enter(self, phase: str) -> None:
        """Lead the authority's rotation into `phase`, and let all who follow the bundle hear of it.
        Authorities whose time is over are forgotten first.
        """
        now = self._clock.now()
        await self._worker.run(lambda: self._rotation.tick(now))
        await self._worker.run(lambda: self._rotation.enter(Phase(phase), now))
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Return when the bundle has changed: what a gateway's long poll tells it."""
        await self._changed.wait()

    async def join(self, token: Secret, request: bytes) -> Issued:
        """See `IssuerService.join`."""
        return await self._worker.run(
            lambda: self._service.join(token, request, peer=_PEER, now=self._clock.now())
        )

    async def renew(self, leaf_der: bytes, request: bytes) -> Issued:
        """See `IssuerService.renew`."""
        return await self._worker.run(
            lambda: self._service.renew(leaf_der, request, peer=_PEER, now=self._clock.now())
        )

    async def renew_ended(self, leaf_der: bytes, request: bytes) -> Issued:
        """See `IssuerService.renew`. That the asker holds the key is taken for proven."""
        return await self._worker.run(
            lambda: self._service.renew(
                leaf_der, request, peer=_PEER, now=self._clock.now(), prove=lambda _leaf: None
            )
        )


@contextlib.asynccontextmanager
async def embedded_issuer(
    offer: Offer, clock: Clock, *, within: Path | None = None
) -> AsyncIterator[EmbeddedIssuer]:
    """Run one by `clock`. Its folder is made in memory where there is such a place, or `within`."""
    place = within or (_MEMORY if _MEMORY.is_dir() else None)
    worker = Worker()

    def make(folder: Path) -> OpenedIssuer:
        init(folder, trust_domain=offer.trust_domain, now=clock.now())
        # Counted by the rehearsal's seconds, too.
        limits = Limits(Rates(), monotonic_s=lambda: clock.now().timestamp())
        return open_issuer(folder, leaf_life=offer.life, limits=limits)

    with (
        tempfile.TemporaryDirectory(prefix="devwiz-gw-", dir=place) as folder,
        contextlib.closing(worker),
    ):
        opened = await worker.run(lambda: make(Path(folder)))
        try:
            yield EmbeddedIssuer(opened, worker, clock)
        finally:
            await worker.run(opened.service.close)


class EmbeddedSource:
    """An `IdentitySource` over an embedded issuer: renews while the certificate is good, and up to
    `renewable_after` its end by the proof of its key; joins otherwise.
    """

    clock_skew_s = None

    def __init__(
        self,
        name: str,
        issuer: EmbeddedIssuer,
        clock: Clock,
        read_token: ReadCredential,
        *,
        renewable_after: timedelta = timedelta(0),
    ) -> None:
        self.name = name
        self._issuer = issuer
        self._clock = clock
        self._read_token = read_token
        self._renewable_after = renewable_after

    async def obtain(self, current: Generation | None) -> Identity:
        """See `IdentitySource.obtain`."""
        key, now = keys.generate(), self._clock.now()
        is_renewal = current is not None and now < current.not_after + self._renewable_after
        try:
            if current is not None and is_renewal:
                is_good = now < current.not_after
                renew = self._issuer.renew if is_good else self._issuer.renew_ended
                request = csr.build(key, spiffe_id=current.spiffe_id)
                issued = await renew(_leaf_der(current), request)
            else:
                issued = await self._issuer.join(await self._read_token(), csr.build(key))
        except Refused as refused:
            raise _as_fault("renew" if is_renewal else "join", refused) from refused
        own_id = SpiffeId.parse_leaf(issued.spiffe_id)
        return verify_identity(
            key=key,
            chain_pem=issued.chain_pem,
            bundle_pem=issued.bundle.pem,
            spiffe_id=own_id,
            trust_domain=TrustDomain.parse(issued.bundle.trust_domain),
            now=self._clock.now(),
            min_life=_MIN_LIFE,
            max_life=_MAX_LIFE,
        )

    async def changed(self) -> None:
        """Return when the issuer's bundle has changed."""
        await self._issuer.change()

    async def close(self) -> None:
        """Nothing is held open."""


def _leaf_der(generation: Generation) -> bytes:
    leaf = x509.load_pem_x509_certificates(generation.chain_pem)[0]
    return leaf.public_bytes(serialization.Encoding.DER)


def _as_fault(step: str, refused: Refused) -> SourceDenied | SourceUnavailable:
    text = f"{step}: {refused} ({refused.code})"
    if refused.code in _TEMPORARY:
        return SourceUnavailable(text, hint=refused.hint, retry_after_s=refused.retry_after_s)
    return SourceDenied(text, hint=refused.hint)
