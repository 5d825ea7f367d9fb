"""An identity source's reply is checked here before anything uses it.

The chain is checked by OpenSSL, through pyOpenSSL, and not by `cryptography`'s own verifier: that
one keeps to the web's profile, so it refuses Ed25519 keys and any authority with URI name
constraints, both of which X509-SVID allows. It is also the library by which the data plane and
most peers judge the same chain. Names, usages and lifetimes are checked by us in either case.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm

from certs import keys
from certs.bundle import TrustBundle
from certs.errors import InvalidCertificate, ReplyRejected
from certs.revocation import RevocationLists
from certs.sources.base import Identity
from certs.svid import Chain, LeafFacts, client_certificate, x509_svid
from identity.spiffe import SpiffeId, TrustDomain

if TYPE_CHECKING:
    from cryptography import x509
    from OpenSSL import crypto

#: How far two honest clocks may be apart.
LEEWAY: Final = timedelta(seconds=60)


def verify_identity(  # noqa: PLR0913 - one keyword for each thing that is held against the reply
    *,
    key: keys.PrivateKey,
    chain_pem: bytes,
    bundle_pem: bytes,
    spiffe_id: SpiffeId | None,
    trust_domain: TrustDomain | None,
    now: datetime,
    min_life: timedelta,
    max_life: timedelta,
    leeway: timedelta = LEEWAY,
) -> Identity:
    """Hold a reply against what was asked for; give back the identity, in normal form.

    Args:
        key: the private key that the certificate must be for.
        spiffe_id: the id that the leaf must carry; None accepts any.
        trust_domain: the domain that the leaf's id must be in; None accepts any. With neither, the
            leaf is checked as a plain TLS client certificate and needs no SPIFFE id.
        min_life: the least that must be left of the leaf's life at `now`.
        max_life: the longest that its whole validity may be.
        leeway: how far in the future its start may lie, for clocks that differ.

    Raises:
        ReplyRejected: what is wrong with it; the message never holds key or certificate text.
    """
    try:
        chain = Chain.from_pem(chain_pem)
        bundle = TrustBundle.from_pem(bundle_pem)
        is_plain = spiffe_id is None and trust_domain is None
        facts = client_certificate(chain.leaf) if is_plain else x509_svid(chain.leaf)
    except InvalidCertificate as error:
        raise ReplyRejected(str(error), hint=error.hint) from error
    try:
        is_ours = keys.fits(key, chain.leaf)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ReplyRejected("the certificate's key is of an unknown kind") from error
    if not is_ours:
        raise ReplyRejected("the certificate is for another key than ours")
    _check_names(facts, spiffe_id, trust_domain)
    _check_life(facts, now=now, min_life=min_life, max_life=max_life, leeway=leeway)
    # A leaf that starts within the leeway is judged at its start.
    check_chain(chain, bundle, at=max(now, facts.not_before))
    return Identity(
        key_pem=keys.to_pem(key),
        chain_pem=chain.to_pem(),
        bundle_pem=bundle.to_pem(),
        spiffe_id=str(facts.spiffe_id or ""),
        dns_names=facts.dns_names,
        serial=facts.serial,
        issuer=facts.issuer,
        not_before=facts.not_before,
        not_after=facts.not_after,
    )


def _check_names(
    facts: LeafFacts, spiffe_id: SpiffeId | None, trust_domain: TrustDomain | None
) -> None:
    if spiffe_id is not None and facts.spiffe_id != spiffe_id:
        raise ReplyRejected(f"the certificate is for {facts.spiffe_id}, {spiffe_id} was asked for")
    if trust_domain is None:
        return
    if facts.spiffe_id is None or facts.spiffe_id.trust_domain != trust_domain:
        raise ReplyRejected(
            f"the certificate is for {facts.spiffe_id}, outside the trust domain {trust_domain}"
        )


def _check_life(
    facts: LeafFacts,
    *,
    now: datetime,
    min_life: timedelta,
    max_life: timedelta,
    leeway: timedelta,
) -> None:
    if facts.not_after <= now:
        raise ReplyRejected(
            f"the certificate expired at {facts.not_after.isoformat()}",
            hint="is this machine's clock right? else the source hands out old certificates",
        )
    ahead = facts.not_before - now
    if ahead > leeway:
        raise ReplyRejected(
            f"the certificate is valid only from {facts.not_before.isoformat()}, "
            f"{_seconds(ahead)} from now",
            hint="this machine's clock is slow or the issuer's is fast: set them by NTP",
        )
    left = facts.not_after - now
    if left < min_life:
        raise ReplyRejected(
            f"the certificate is good for {_seconds(left)} more, under the {_seconds(min_life)} "
            "that make sense",
            hint="ask the issuer for a longer life, or check the clocks of both machines",
        )
    life = facts.not_after - facts.not_before
    if life > max_life:
        raise ReplyRejected(
            f"the certificate lives {_seconds(life)}, over the {_seconds(max_life)} accepted"
        )


def check_chain(
    chain: Chain, bundle: TrustBundle, *, at: datetime, lists: RevocationLists = ()
) -> None:
    """Hold a chain against the bundle as it is at a moment; with revocation lists against these,
    too: there has to be one in force of each authority of the chain.

    Raises:
        ReplyRejected: why it isn't accepted.
    """
    if not bundle:
        raise ReplyRejected(
            "the trust bundle is empty", hint="the trust domain trusts nobody at present"
        )
    # Costs some MiB; a command that never checks a chain doesn't pay for it.
    from OpenSSL import crypto

    store = crypto.X509Store()
    # A bundle's authorities are trust anchors whether or not they signed themselves.
    flags = crypto.X509StoreFlags.PARTIAL_CHAIN
    if lists:
        flags |= crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL
    store.set_flags(flags)
    store.set_time(at.astimezone(UTC))
    try:
        for authority in bundle.authorities:
            store.add_cert(_openssl(authority))
        for item in lists:
            store.add_crl(item)
        crypto.X509StoreContext(
            store, _openssl(chain.leaf), [_openssl(item) for item in chain.intermediates]
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        raise ReplyRejected(
            f"the chain doesn't lead to the trust bundle: {error}",
            hint="was the issuer's authority replaced? fetch its bundle again",
        ) from error
    except (crypto.Error, ValueError) as error:
        raise ReplyRejected("the chain is not usable by the TLS library") from error


def _openssl(certificate: x509.Certificate) -> crypto.X509:
    from OpenSSL import crypto

    return crypto.X509.from_cryptography(certificate)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"
