"""Replies of an identity source: good ones are taken, every kind of bad one is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from certs import keys
from certs.errors import ReplyRejected
from certs.sources.base import Identity
from certs.verify import verify_identity
from identity.spiffe import SpiffeId, TrustDomain
from tests.fakes.certificates import (
    AGENT,
    CLIENT,
    SERVER,
    Leaf,
    Signer,
    dns,
    key_of,
    root,
    to_pem,
    uri,
)
from tests.fakes.clock import START

ROOT = root()
ISSUING = ROOT.authority("acme issuing")
KEY = keys.generate()
ASKED = SpiffeId.parse(AGENT)
SECOND = timedelta(seconds=1)


def judge(
    leaf: x509.Certificate | None = None,
    *,
    chain_pem: bytes | None = None,
    bundle_pem: bytes = ROOT.pem,
    key: keys.PrivateKey = KEY,
    spiffe_id: SpiffeId | None = ASKED,
    trust_domain: TrustDomain | None = None,
    now: datetime = START,
    min_life: timedelta = timedelta(seconds=10),
    max_life: timedelta = timedelta(hours=25),
) -> Identity:
    return verify_identity(
        key=key,
        chain_pem=ISSUING.chain_of(leaf or ISSUING.leaf(KEY)) if chain_pem is None else chain_pem,
        bundle_pem=bundle_pem,
        spiffe_id=spiffe_id,
        trust_domain=trust_domain,
        now=now,
        min_life=min_life,
        max_life=max_life,
    )


def test_good_reply_becomes_an_identity() -> None:
    leaf = ISSUING.leaf(KEY, Leaf(names=(uri(AGENT), dns("laptop.acme.example"))))
    identity = judge(leaf)
    assert identity.spiffe_id == AGENT
    assert identity.dns_names == ("laptop.acme.example",)
    assert identity.serial == f"{leaf.serial_number:x}"
    assert identity.issuer == "CN=acme issuing"
    assert (identity.not_before, identity.not_after) == (
        START - timedelta(seconds=60),
        START + timedelta(hours=1),
    )
    assert identity.chain_pem == to_pem(leaf, ISSUING.certificate)
    assert identity.bundle_pem == ROOT.pem
    assert keys.fits(keys.from_pem(identity.key_pem), leaf)


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
def test_every_kind_of_key_is_taken(kind: str) -> None:
    anchor, key = root(key=key_of(kind)), key_of(kind)
    chain = anchor.chain_of(anchor.leaf(key))
    assert judge(chain_pem=chain, bundle_pem=anchor.pem, key=key).spiffe_id == AGENT


def test_text_around_the_certificates_is_dropped() -> None:
    pem = b"# issued today\n" + ISSUING.chain_of(ISSUING.leaf(KEY)) + keys.to_pem(KEY)
    assert b"PRIVATE" not in judge(chain_pem=pem).chain_pem
    assert b"issued" not in judge(chain_pem=pem).chain_pem


def test_intermediate_in_the_bundle_is_an_anchor() -> None:
    leaf = ISSUING.leaf(KEY)
    assert judge(chain_pem=to_pem(leaf), bundle_pem=ISSUING.pem).spiffe_id == AGENT


def test_authority_limited_to_a_trust_domain_is_followed() -> None:
    anchor = root(constraints=x509.NameConstraints([uri("acme.example")], None))
    ours = anchor.chain_of(anchor.leaf(KEY))
    assert judge(chain_pem=ours, bundle_pem=anchor.pem).spiffe_id == AGENT
    other = "spiffe://other.example/agent/laptop"
    foreign = anchor.chain_of(anchor.leaf(KEY, Leaf(names=(uri(other),))))
    with pytest.raises(ReplyRejected, match="permitted subtree"):
        judge(chain_pem=foreign, bundle_pem=anchor.pem, spiffe_id=SpiffeId.parse(other))


HOSTILE_LEAVES = {
    "no SAN": (Leaf(names=None), "no URI names"),
    "only a DNS name": (Leaf(names=(dns("laptop"),)), "no URI names"),
    "another id": (Leaf(names=(uri(AGENT + "2"),)), "was asked for"),
    "another trust domain": (Leaf(names=(uri(AGENT.replace("acme", "evil")),)), "was asked for"),
    "two ids": (Leaf(names=(uri(AGENT), uri("spiffe://acme.example/admin"))), "has 2 URI names"),
    "an id and a URL": (Leaf(names=(uri(AGENT), uri("https://acme.example/"))), "has 2 URI names"),
    "a URL": (Leaf(names=(uri("https://acme.example/agent/laptop"),)), "not a SPIFFE id"),
    "a trust domain": (Leaf(names=(uri("spiffe://acme.example"),)), "not a workload"),
    "an id in capitals": (Leaf(names=(uri(AGENT.replace("acme", "ACME")),)), "not usable"),
    "an id with a query": (Leaf(names=(uri(AGENT + "?x"),)), "not allowed"),
    "a CA": (Leaf(is_ca=True), "CA certificate"),
    "a CA that says so by usage only": (
        Leaf(usages=("digital_signature", "key_cert_sign")),
        "signing certificates",
    ),
    "a CRL signer": (Leaf(usages=("digital_signature", "crl_sign")), "signing certificates"),
    "no key usage": (Leaf(usages=None), "no key usage"),
    "key usage that is not critical": (Leaf(usage_is_critical=False), "not critical"),
    "no signatures": (Leaf(usages=("key_encipherment",)), "doesn't allow signatures"),
    "servers only": (Leaf(purposes=(SERVER,)), "clients and servers"),
    "clients only": (Leaf(purposes=(CLIENT,)), "clients and servers"),
    "too short": (Leaf(not_after=START + 9 * SECOND), "good for 9 s more"),
    "too long": (Leaf(not_after=START + timedelta(hours=26)), "over the 90000 s accepted"),
    "expired": (Leaf(not_after=START - SECOND), "expired at 2026-03-01T11:59:59"),
    "ending now": (Leaf(not_after=START), "expired at"),
    "of tomorrow": (Leaf(not_before=START + 61 * SECOND), "61 s from now"),
}


@pytest.mark.parametrize(("like", "why"), HOSTILE_LEAVES.values(), ids=HOSTILE_LEAVES)
def test_refuses_leaf(like: Leaf, why: str) -> None:
    with pytest.raises(ReplyRejected, match=why) as caught:
        judge(ISSUING.leaf(KEY, like))
    assert "BEGIN" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "like",
    [
        Leaf(purposes=None),
        Leaf(is_ca=None),
        Leaf(usages=("digital_signature", "key_agreement")),
        Leaf(not_before=START + 59 * SECOND),
        Leaf(not_after=START + 10 * SECOND),
        Leaf(not_after=START - 60 * SECOND + timedelta(hours=25)),
    ],
)
def test_takes_leaf_at_the_edge(like: Leaf) -> None:
    assert judge(ISSUING.leaf(KEY, like)).spiffe_id == AGENT


def test_refuses_a_certificate_for_another_key() -> None:
    with pytest.raises(ReplyRejected, match="another key"):
        judge(ISSUING.leaf(keys.generate()))


@pytest.mark.parametrize(
    "trust_domain", [TrustDomain("other.example"), TrustDomain("agent.acme.example")]
)
def test_refuses_an_id_outside_the_trust_domain(trust_domain: TrustDomain) -> None:
    with pytest.raises(ReplyRejected, match="outside the trust domain"):
        judge(spiffe_id=None, trust_domain=trust_domain)


def test_takes_any_id_of_the_trust_domain() -> None:
    assert judge(spiffe_id=None, trust_domain=TrustDomain("acme.example")).spiffe_id == AGENT


def impostor() -> Signer:
    """Has the names of our issuer, and another key."""
    return root().authority("acme issuing")


def test_refuses_a_chain_of_another_authority() -> None:
    other = impostor()
    with pytest.raises(ReplyRejected, match="doesn't lead to the trust bundle"):
        judge(chain_pem=other.chain_of(other.leaf(KEY)))


def test_refuses_a_chain_that_brings_its_own_root() -> None:
    other = impostor()
    chain = other.chain_of(other.leaf(KEY)) + to_pem(other.above[-1])
    with pytest.raises(ReplyRejected, match="doesn't lead"):
        judge(chain_pem=chain)


def test_refuses_a_leaf_under_the_issuers_name_signed_by_another() -> None:
    leaf = impostor().leaf(KEY)
    with pytest.raises(ReplyRejected, match="doesn't lead"):
        judge(chain_pem=to_pem(leaf, ISSUING.certificate))


def test_refuses_a_chain_with_a_gap() -> None:
    with pytest.raises(ReplyRejected, match="doesn't lead"):
        judge(chain_pem=to_pem(ISSUING.leaf(KEY)))


def test_refuses_a_leaf_that_a_leaf_signed() -> None:
    workload_key = keys.generate()
    workload = ISSUING.leaf(workload_key)
    forger = Signer(
        certificate=workload, key=workload_key, above=(ISSUING.certificate, *ISSUING.above)
    )
    with pytest.raises(ReplyRejected, match="doesn't lead"):
        judge(chain_pem=forger.chain_of(forger.leaf(KEY)))


def test_refuses_a_path_longer_than_the_issuer_may_have() -> None:
    below = ISSUING.authority("below")
    with pytest.raises(ReplyRejected, match="path length"):
        judge(chain_pem=below.chain_of(below.leaf(KEY)))


def test_refuses_a_chain_over_an_expired_intermediate() -> None:
    stale = ROOT.authority("stale", end=START - SECOND)
    with pytest.raises(ReplyRejected, match="expired"):
        judge(chain_pem=stale.chain_of(stale.leaf(KEY)))


def test_refuses_a_self_signed_leaf() -> None:
    own = root("leaf", key=KEY)
    forged = own.leaf(KEY)
    with pytest.raises(ReplyRejected, match="doesn't lead"):
        judge(chain_pem=to_pem(forged))


def test_refuses_a_bundle_that_holds_the_leaf() -> None:
    own = root("leaf", key=KEY)
    forged = own.leaf(KEY)
    with pytest.raises(ReplyRejected, match="not a CA"):
        judge(chain_pem=to_pem(forged), bundle_pem=to_pem(forged))


def test_refuses_the_leaf_last() -> None:
    leaf = ISSUING.leaf(KEY)
    with pytest.raises(ReplyRejected, match=r"URI names|CA"):
        judge(chain_pem=to_pem(ISSUING.certificate, leaf))


def test_empty_bundle_trusts_nobody() -> None:
    with pytest.raises(ReplyRejected, match="bundle is empty"):
        judge(bundle_pem=b"\n")


GOOD = ISSUING.chain_of(ISSUING.leaf(KEY))
HOSTILE_TEXTS = {
    "nothing": (b"", "not readable PEM"),
    "text": (b"<html>502 Bad Gateway</html>", "not readable PEM"),
    "binary": (bytes(range(256)) * 20, "not readable PEM"),
    "a key": (keys.to_pem(KEY), "not readable PEM"),
    "cut in the leaf": (GOOD[:300], "not readable PEM|cut off"),
    "cut in the chain": (GOOD[:-100], "not readable PEM|cut off"),
    "not base64": (GOOD.replace(b"MII", b"M\xff\xff", 1), "not readable PEM"),
    "not DER": (
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "not readable PEM",
    ),
    "eleven certificates": (GOOD + ISSUING.pem * 9, "over 10 certificates"),
    "a huge text": (GOOD + b"#" * 65_536, "larger than 64 KiB"),
}


@pytest.mark.parametrize(("text", "why"), HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_refuses_chain_text(text: bytes, why: str) -> None:
    with pytest.raises(ReplyRejected, match=why):
        judge(chain_pem=text)


def test_ten_certificates_are_not_too_many() -> None:
    assert judge(chain_pem=GOOD + ISSUING.pem * 8).spiffe_id == AGENT


@pytest.mark.parametrize("text", [b"text", ROOT.pem[:-100], ROOT.pem + ISSUING.pem[:200]])
def test_refuses_bundle_text(text: bytes) -> None:
    with pytest.raises(ReplyRejected, match="trust bundle"):
        judge(bundle_pem=text)


@pytest.mark.parametrize("at", range(0, len(GOOD), 97))
def test_damaged_reply_is_refused_or_the_same(at: int) -> None:
    damaged = GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]
    try:
        identity = judge(chain_pem=damaged)
    except ReplyRejected:
        return
    assert identity.chain_pem == GOOD


def plain(like: Leaf) -> Identity:
    return judge(ISSUING.leaf(KEY, like), spiffe_id=None)


@pytest.mark.parametrize(
    "like",
    [
        Leaf(names=None),
        Leaf(names=(dns("laptop.acme.example"),), purposes=(CLIENT,)),
        Leaf(names=(uri("https://acme.example/"), uri("urn:x")), usages=None, purposes=None),
        Leaf(names=(dns("laptop"),), usage_is_critical=False, is_ca=None),
    ],
)
def test_plain_client_certificate_needs_no_spiffe_id(like: Leaf) -> None:
    assert plain(like).spiffe_id == ""


def test_plain_client_certificate_may_have_one() -> None:
    assert plain(Leaf(purposes=(CLIENT,))).spiffe_id == AGENT


@pytest.mark.parametrize(
    ("like", "why"),
    [
        (Leaf(purposes=(SERVER,)), "doesn't allow TLS clients"),
        (Leaf(is_ca=True), "CA certificate"),
        (Leaf(usages=("key_encipherment",)), "signatures"),
        (Leaf(names=(uri(AGENT), uri("urn:x"))), "2 URI names"),
        (Leaf(names=(uri("spiffe://ACME/x"),)), "not usable"),
        (Leaf(names=(uri("SPIFFE://acme/x"),)), "not a SPIFFE id"),
        (Leaf(not_after=START), "expired"),
    ],
)
def test_refuses_plain_client_certificate(like: Leaf, why: str) -> None:
    with pytest.raises(ReplyRejected, match=why):
        plain(like)


def test_no_private_key_in_the_repr() -> None:
    assert "PRIVATE" not in repr(judge())
    assert "PRIVATE" not in repr(replace(judge(), spiffe_id=""))
