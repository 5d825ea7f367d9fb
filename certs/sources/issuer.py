"""The identity source for the issuer that ships with this program: joins once, then renews itself.

First contact. The operator gives the issuer's `ca_pin`. The public bundle is fetched from whoever
answers; the authority in it whose key has that pin is kept and everything else dropped (but what
the issuer itself told us in an earlier life). Only then, over a new connection that completes only
with a server that the pinned authority certified as *the issuer*, is anything sent that proves us.
Somebody in between can hand out the public bundle, and gets no further.

Then there is a ladder, climbed down while a rung is refused: while the leaf is good, `renew` over
mutual TLS; after its end, a renewal by its key's proof; then a join, by the ways of `issuer_joins`
in their order. While the leaf is good only those ways are taken that cost nobody anything.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from certs import csr, keys, tls_context
from certs.bundle import TrustBundle
from certs.clock import Clock, SystemClock
from certs.errors import (
    CertsError,
    IdentityLocked,
    InvalidCertificate,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from certs.generation import Generation
from certs.keys import PrivateKey
from certs.names import extensions_of, uri_names
from certs.sources.base import FoundLists, Identity
from certs.sources.credential import ReadCredential
from certs.sources.https_call import NoAnswer
from certs.sources.issuer_client import ISSUER, IssuerClient, KeyRefused, Reply
from certs.sources.issuer_crl import IssuerLists
from certs.sources.issuer_joins import Attempt, JoinWay, OneTimeToken, proof
from certs.sources.issuer_news import IssuerNews, issuer_context, suggested_time
from certs.svid import Chain
from certs.verify import verify_identity
from identity.errors import IdentityError
from identity.spiffe import SpiffeId, TrustDomain

if TYPE_CHECKING:
    from cryptography import x509

_PIN: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
# Half of the least that the issuer grants: the rest may have gone by while the reply was coming.
_MIN_LIFE: Final = timedelta(seconds=5)
_MAX_LIFE: Final = timedelta(hours=25)


class IssuerSource:
    """An `IdentitySource`: joins when there is no valid identity, else renews.

    Args:
        url: `https://HOST:PORT` of the issuer.
        ca_pin: `sha256:<hex>`, as `issuer init` and `issuer token` print it.
        other_ca_pins: of authorities that are as good, while one takes over from another.
        read_token: gives the one-time token, the last way to join; called for a join only. It may
            raise a `Fault` or an `OSError`.
        ways: other ways to join, the best first.
        spiffe_id: the only name that is accepted; "" for whatever the token is for.
        clock: this machine's, when None.
        step_timeout_s: deadline of each step (trust, join, renew, reading the token).
        debounce_s: after a word of news from the issuer, wait about so long for more.

    Raises:
        CertsError: `url` or `ca_pin` has the wrong form.
    """

    name = "issuer"

    def __init__(  # noqa: PLR0913 - each comes from a key of its own
        self,
        *,
        url: str,
        ca_pin: str,
        read_token: ReadCredential | None = None,
        ways: Sequence[JoinWay] = (),
        spiffe_id: str = "",
        clock: Clock | None = None,
        other_ca_pins: Sequence[str] = (),
        step_timeout_s: float = 10.0,
        debounce_s: float = 2.0,
    ) -> None:
        pins = (ca_pin, *other_ca_pins)
        if not all(map(_PIN.fullmatch, pins)):
            raise CertsError(
                "ca_pin has not the form of a pin",
                hint="expected 'sha256:' and 64 hex digits, as 'devwiz-gw issuer token' prints it",
            )
        self._clock = clock or SystemClock()
        self._client = IssuerClient(url, timeout_s=step_timeout_s, now=self._clock.now)
        self._ca_pins = frozenset(pins)
        self._ways = (*ways, OneTimeToken(read_token)) if read_token is not None else tuple(ways)
        self._step_timeout_s = step_timeout_s
        self._spiffe_id = SpiffeId.parse_leaf(spiffe_id) if spiffe_id else None
        self._next_key: PrivateKey | None = None
        self._lists = IssuerLists(url, ISSUER, clock=self._clock)
        self._news = IssuerNews(
            self._client, clock=self._clock, rng=random.SystemRandom(), debounce_s=debounce_s
        )

    def __repr__(self) -> str:
        return f"IssuerSource({self._client})"

    @property
    def clock_skew_s(self) -> float | None:
        """See `IdentitySource.clock_skew_s`."""
        return self._client.skew_s

    async def obtain(self, current: Generation | None) -> Identity:
        """See `IdentitySource.obtain`."""
        known = self._news.take(current)
        if known is not None:
            return known
        # The key stays the same until a reply to it was good: a request repeated because its reply
        # was lost, or came while the clock was wrong, is then known as the same one. It neither
        # spends the token twice nor looks like a copied identity.
        key = self._next_key = self._next_key or keys.generate()
        try:
            identity = await self._climbed(current, key)
        except (SourceDenied, KeyRefused):
            self._next_key = None
            raise
        self._next_key = None
        return identity

    async def authorities(self) -> bytes:
        """See `PublicSource.authorities`."""
        return (await self._known_authorities(None)).to_pem()

    async def changed(self) -> None:
        """Return when the issuer has another trust bundle, or wants us to renew sooner."""
        await self._news.wait()

    async def revocation_lists(
        self, current: Generation, known: FoundLists | None
    ) -> FoundLists | None:
        """See `RevocationSource.revocation_lists`."""
        return await self._lists.fetch(current, known)

    async def close(self) -> None:
        """Drop the key in waiting; there is no connection to close."""
        self._next_key = None

    async def _climbed(self, current: Generation | None, key: PrivateKey) -> Identity:
        refusals: list[CertsError] = []
        is_good = current is not None and self._clock.now() < current.not_after
        if current is not None:
            try:
                return await (self._renew if is_good else self._renew_ended)(current, key)
            except IdentityLocked as error:
                # To get round a lock while the certificate is good is not ours to do.
                if is_good:
                    raise
                refusals.append(error)
            except SourceDenied as error:
                refusals.append(error)
        for way in self._ways:
            if is_good and not way.is_unattended:
                continue
            try:
                attempt = await way.ready(timeout_s=self._step_timeout_s)
            except (SourceDenied, SourceUnavailable) as error:
                refusals.append(error)
                continue
            try:
                return await self._join(attempt, current, key)
            except SourceDenied as error:
                refusals.append(error)
        raise _all_refused(refusals)

    async def _renew(self, current: Generation, key: PrivateKey) -> Identity:
        own_id = SpiffeId.parse_leaf(current.spiffe_id)
        context = issuer_context("renew", current.bundle_pem, own_id.trust_domain)
        tls_context.load_key_pair(context, key_pem=current.key_pem, chain_pem=current.chain_pem)
        request = csr.build(key, spiffe_id=current.spiffe_id, dns_names=current.dns_names)
        try:
            reply = await self._client.renew(context, csr_pem=request)
        except NoAnswer:
            # So a handshake ends, too, in which the issuer dislikes our certificate: by its clock
            # it may have ended, or be of an authority that is gone. Its key still proves us.
            return await self._renew_ended(current, key)
        return self._accepted("renew", reply, key, own_id, own_id.trust_domain)

    async def _renew_ended(self, current: Generation, key: PrivateKey) -> Identity:
        """Renew without showing the certificate in the handshake, by the proof of its key."""
        own_id = SpiffeId.parse_leaf(current.spiffe_id)
        context = issuer_context("renew", current.bundle_pem, own_id.trust_domain)
        request = csr.build(key, spiffe_id=current.spiffe_id, dns_names=current.dns_names)
        challenge = await self._client.challenge(
            context, step="renew", purpose="renew", subject=current.serial
        )
        reply = await self._client.renew_ended(
            context,
            certificate_pem=Chain.from_pem(current.chain_pem).leaf.public_bytes(Encoding.PEM),
            proof=proof(keys.from_pem(current.key_pem), challenge, request),
            csr_pem=request,
        )
        return self._accepted("renew", reply, key, own_id, own_id.trust_domain)

    async def _join(
        self, attempt: Attempt, current: Generation | None, key: PrivateKey
    ) -> Identity:
        known = await self._known_authorities(current)
        domain = _trust_domain(known.authorities[0])
        context = issuer_context("join", known.to_pem(), domain)
        # Who we are is the issuer's to say; after an expiry it must be who we were.
        own_id = SpiffeId.parse_leaf(current.spiffe_id) if current is not None else self._spiffe_id
        request = csr.build(key, spiffe_id=str(own_id or ""))
        reply = await attempt.join(self._client, context, request)
        identity = self._verified("join", reply, key, own_id, domain)
        await attempt.keep(reply)
        return self._followed(identity, reply)

    async def _known_authorities(self, current: Generation | None) -> TrustBundle:
        """Of the authorities that are offered, those that have a pin, and those that we had from
        the issuer itself before we expired: it may have a new authority since the pin was written.
        """
        offered = await self._client.bundle(tls_context.stranger_context())
        try:
            bundle = TrustBundle.from_pem(offered)
            last = TrustBundle.from_pem(current.bundle_pem) if current is not None else None
        except InvalidCertificate as error:
            raise ReplyRejected(f"trust: {error}", hint=error.hint) from error
        pinned = [item for item in bundle.authorities if _pin(item) in self._ca_pins]
        had = [item for item in bundle.authorities if last and item in last.authorities]
        known = TrustBundle.of(_self_signed(item) for item in (*pinned, *had))
        if known:
            return known
        raise SourceDenied(
            f"trust: no authority of {self._client} has the key of ca_pin",
            hint="nothing was sent that proves us; check ca_pin against 'devwiz-gw issuer token' "
            "(it changes when the issuer's authority is rotated), or somebody stands in between",
        )

    def _accepted(
        self,
        step: str,
        reply: Reply,
        key: PrivateKey,
        own_id: SpiffeId | None,
        domain: TrustDomain,
    ) -> Identity:
        return self._followed(self._verified(step, reply, key, own_id, domain), reply)

    def _verified(
        self,
        step: str,
        reply: Reply,
        key: PrivateKey,
        own_id: SpiffeId | None,
        domain: TrustDomain,
    ) -> Identity:
        try:
            return verify_identity(
                key=key,
                chain_pem=reply.chain_pem,
                bundle_pem=reply.bundle_pem,
                spiffe_id=own_id,
                trust_domain=domain,
                now=self._clock.now(),
                min_life=_MIN_LIFE,
                max_life=_MAX_LIFE,
            )
        except ReplyRejected as error:
            raise ReplyRejected(f"{step}: {error}", hint=error.hint) from error

    def _followed(self, identity: Identity, reply: Reply) -> Identity:
        """The identity, with the time to renew that the issuer suggests; its news is ours now."""
        if reply.advice is not None:
            identity = replace(identity, renew_after=suggested_time(identity.serial, reply.advice))
        self._news.follow(identity, reply.bundle_sequence)
        return identity


def _pin(authority: x509.Certificate) -> str:
    try:
        key = authority.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return keys.spki_pin(key) if isinstance(key, keys.PublicKey) else ""


def _self_signed(authority: x509.Certificate) -> x509.Certificate:
    """The authority, whose own signature vouches for what it says beside its key."""
    try:
        authority.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ReplyRejected("trust: the pinned authority is not signed by its own key") from error
    return authority


def _trust_domain(authority: x509.Certificate) -> TrustDomain:
    try:
        (uri,) = uri_names(extensions_of(authority))
        return TrustDomain.parse(uri)
    except (ValueError, InvalidCertificate, IdentityError) as error:
        raise ReplyRejected("trust: the pinned authority doesn't name its trust domain") from error


def _all_refused(refusals: Sequence[CertsError]) -> CertsError:
    """The error for a ladder whose every rung was refused: worth another try by itself only where
    something could not be read.
    """
    if len(refusals) == 1:
        return refusals[0]
    text = "; ".join(str(error) for error in refusals)
    hint = next((error.own_hint for error in reversed(refusals) if error.own_hint), "")
    for error in refusals:
        if isinstance(error, IdentityLocked):
            return IdentityLocked(text, hint=error.hint, is_revoked=error.is_revoked)
    if any(error.retryable for error in refusals):
        return SourceUnavailable(text, hint=hint)
    return SourceDenied(text or "join: no way to join is configured", hint=hint)
