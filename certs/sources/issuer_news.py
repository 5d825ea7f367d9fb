"""What the issuer has for an identity between its renewals: a new trust bundle, and another time to
renew. Waited for at the issuer; where that doesn't work, asked for now and then.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from certs import keys, renewal, tls_context
from certs.bundle import TrustBundle
from certs.clock import Clock
from certs.errors import CertsError, InvalidCertificate, ReplyRejected
from certs.generation import Generation
from certs.sources.base import Identity
from certs.sources.bundle_document import BundleDocument
from certs.sources.issuer_client import Advice, IssuerClient
from certs.verify import verify_identity
from identity.spiffe import SpiffeId, TrustDomain

_LOG: Final = logging.getLogger(__name__)

ISSUER_PATH: Final = "/devwiz-gw/issuer"

# Between two looks where the issuer doesn't let us wait, and after failures.
_POLL_S: Final = 30.0
_RETRY_FIRST_S: Final = 2.0
_RETRY_MOST_S: Final = 60.0
# An answer without news that came sooner was not waited for.
_QUICK_S: Final = 1.0
_WINDOW_TRIES: Final = 3
_ANY_LIFE: Final = timedelta(days=366)


class IssuerNews:
    """Follows the issuer for the identity that came from it last.

    Args:
        debounce_s: after the first word of a change, wait about so long for more of them.
    """

    def __init__(
        self, client: IssuerClient, *, clock: Clock, rng: random.Random, debounce_s: float
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._debounce_s = debounce_s
        self._identity: Identity | None = None
        self._sequence: int | None = None
        self._next: Identity | None = None

    def follow(self, identity: Identity, sequence: int | None) -> None:
        """From now on it is about this identity, which came with that version of the bundle."""
        self._identity, self._sequence, self._next = identity, sequence, None

    async def wait(self) -> None:
        """Return when there is something for `take`, or when the identity ought to be renewed."""
        if self._identity is None:
            await asyncio.Event().wait()
        while self._identity is not None and self._next is None:
            identity = self._identity
            document = await self._another_version(identity)
            await self._clock.sleep(self._debounce_s * (0.5 + self._rng.random()))
            document = await self._newest(identity) or document
            advice = await self._advice(identity)
            # Nothing is awaited from here on: whoever cancels us before loses no version.
            self._sequence = document.sequence
            if self._takes_over(identity, document, advice):
                return

    def take(self, current: Generation | None) -> Identity | None:
        """The identity as it is now, with the same certificate as before and what is new beside it;
        None where there is nothing new, or where only a renewal helps.
        """
        found, self._next = self._next, None
        now = self._clock.now()
        if found is None or current is None or found.serial != current.serial:
            return None
        if found.not_after <= now or (found.renew_after is not None and found.renew_after <= now):
            return None
        self._identity = found
        return found

    # Versions of the bundle

    async def _another_version(self, identity: Identity) -> BundleDocument:
        """Wait until the issuer has another version than the one that is known."""
        pause_s, is_patient = _RETRY_FIRST_S, True
        while True:
            began = asyncio.get_running_loop().time()
            try:
                document = await self._client.document(
                    issuer_context("follow", identity.bundle_pem, _domain(identity)),
                    after=self._sequence if is_patient else None,
                )
            except CertsError as error:
                _LOG.debug("the issuer's bundle can't be followed now: %s", error)
                pause_s, is_patient = min(_RETRY_MOST_S, pause_s * 2), False
                await self._pause(pause_s)
                continue
            if document.sequence is not None and document.sequence != self._sequence:
                return document
            has_waited = asyncio.get_running_loop().time() - began >= _QUICK_S
            if not has_waited:
                await self._pause(_POLL_S)
            pause_s, is_patient = _RETRY_FIRST_S, True

    async def _newest(self, identity: Identity) -> BundleDocument | None:
        try:
            return await self._client.document(
                issuer_context("follow", identity.bundle_pem, _domain(identity)), after=None
            )
        except CertsError:
            return None

    async def _advice(self, identity: Identity) -> Advice | None:
        for _ in range(_WINDOW_TRIES):
            try:
                context = issuer_context("follow", identity.bundle_pem, _domain(identity))
                tls_context.load_key_pair(
                    context, key_pem=identity.key_pem, chain_pem=identity.chain_pem
                )
                return await self._client.renew_window(context)
            except CertsError as error:
                _LOG.debug("the issuer doesn't say when to renew: %s", error)
                await self._pause(_RETRY_FIRST_S)
        return None

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep(seconds * (0.5 + self._rng.random() / 2))

    # What becomes of them

    def _takes_over(
        self, identity: Identity, document: BundleDocument, advice: Advice | None
    ) -> bool:
        """Whether the rotation should come for it."""
        bundle = document.bundle
        if not bundle:
            _LOG.warning("the issuer's bundle is empty; the last good one stays in use")
            bundle = TrustBundle.from_pem(identity.bundle_pem)
        renew_after = identity.renew_after
        if advice is not None:
            renew_after = suggested_time(identity.serial, advice)
        is_same = bundle.digest == TrustBundle.from_pem(identity.bundle_pem).digest
        if is_same and renew_after == identity.renew_after:
            return False
        try:
            checked = _with_bundle(identity, bundle.to_pem(), self._clock.now())
        except ReplyRejected:
            # The last good one stays, and a renewal brings a certificate and a bundle that agree.
            _LOG.warning("the issuer's new bundle doesn't cover our certificate, so we renew it")
            return True
        self._next = replace(checked, renew_after=renew_after)
        return True


def suggested_time(serial: str, advice: Advice) -> datetime | None:
    """Our instant in the window: the same one however often we ask; None where it is no window."""
    return renewal.instant_in(advice.start, advice.end, renewal.draw_from(serial))


def issuer_context(step: str, bundle_pem: bytes, domain: TrustDomain) -> ssl.SSLContext:
    """A context that connects to the trust domain's issuer and to nobody else.

    Raises:
        ReplyRejected: the bundle can't be used.
    """
    try:
        return tls_context.client_context(
            bundle_pem=bundle_pem, server_id=str(SpiffeId(domain, ISSUER_PATH))
        )
    except (ssl.SSLError, ValueError) as error:
        raise ReplyRejected(f"{step}: the trust bundle can't be used for TLS") from error


def _domain(identity: Identity) -> TrustDomain:
    return SpiffeId.parse_leaf(identity.spiffe_id).trust_domain


def _with_bundle(identity: Identity, bundle_pem: bytes, now: datetime) -> Identity:
    try:
        return verify_identity(
            key=keys.from_pem(identity.key_pem),
            chain_pem=identity.chain_pem,
            bundle_pem=bundle_pem,
            spiffe_id=SpiffeId.parse_leaf(identity.spiffe_id),
            trust_domain=None,
            now=now,
            min_life=timedelta(0),
            max_life=_ANY_LIFE,
        )
    except InvalidCertificate as error:
        raise ReplyRejected(str(error)) from error
