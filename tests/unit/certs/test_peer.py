"""Which name of a peer counts."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs import keys
from certs.errors import PeerRejected
from certs.peer import (
    check_wildcard,
    is_by_wildcard,
    peer_allowed,
    peer_evidence,
    peer_matches,
)
from tests.fakes.certificates import AGENT, Leaf, dns, ip, root, uri
from tests.fakes.clock import START

ROOT = root()
KEY = keys.generate()


def peer(*names: x509.GeneralName, like: Leaf | None = None) -> x509.Certificate:
    return ROOT.leaf(KEY, like or Leaf(names=names or None))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((uri(AGENT),), AGENT),
        ((uri(AGENT), dns("a.example"), ip("::1")), AGENT),
        ((dns("a.example"),), "dns:a.example"),
        ((uri(AGENT), dns("a.example")), "dns:a.example"),
        ((dns("A.Example"),), "dns:a.example"),
        ((dns("*.example.com"),), "dns:a.example.com"),
        ((ip("127.0.0.1"),), "ip:127.0.0.1"),
        ((ip("2001:db8::1"),), "ip:2001:0db8::0001"),
    ],
)
def test_matches(names: tuple[x509.GeneralName, ...], expected: str) -> None:
    assert peer_matches(peer(*names), [expected]) == expected


def test_first_of_several_is_named() -> None:
    certificate = peer(uri(AGENT), dns("a.example"))
    assert peer_matches(certificate, ["dns:b.example", "dns:a.example", AGENT]) == "dns:a.example"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), AGENT),
        ((uri(AGENT + "2"),), AGENT),
        ((uri(AGENT),), AGENT + "2"),
        ((uri(AGENT.replace("acme", "Acme")),), AGENT),
        ((uri(AGENT), uri("spiffe://acme.example/other")), AGENT),
        ((uri(AGENT), uri(AGENT)), AGENT),
        ((dns(AGENT),), AGENT),
        ((uri("dns:a.example"),), "dns:a.example"),
        ((dns("a.example.evil.com"),), "dns:a.example"),
        ((dns("evil.a.example"),), "dns:a.example"),
        ((dns("*.example.com"),), "dns:a.b.example.com"),
        ((dns("*.example.com"),), "dns:example.com"),
        ((dns("*.com"), dns("*")), "dns:a.example"),
        ((dns("127.0.0.1"),), "ip:127.0.0.1"),
        ((ip("127.0.0.1"),), "dns:127.0.0.1"),
        ((ip("127.0.0.2"),), "ip:127.0.0.1"),
        ((dns("a.example"),), "ip:a.example"),
        ((dns("a.example"),), "a.example"),
        ((dns("a.example"),), "dns:"),
        ((dns("a.example"),), "ip:"),
        ((dns("a.example"),), "https://a.example"),
        ((dns("a.example"),), ""),
    ],
)
def test_refuses(names: tuple[x509.GeneralName, ...], expected: str) -> None:
    with pytest.raises(PeerRejected):
        peer_matches(peer(*names), [expected])


def test_common_name_never_counts() -> None:
    with pytest.raises(PeerRejected):
        peer_matches(peer(), ["dns:leaf"])  # the subject is CN=leaf


@pytest.mark.parametrize(
    "like", [Leaf(is_ca=True), Leaf(usages=("digital_signature", "key_cert_sign"))]
)
@pytest.mark.parametrize("expected", [AGENT, "dns:a.example", "ip:127.0.0.1"])
def test_signer_with_the_right_name_is_not_the_peer(like: Leaf, expected: str) -> None:
    names = (uri(AGENT), dns("a.example"), ip("127.0.0.1"))
    assert peer_matches(peer(*names), [expected])
    with pytest.raises(PeerRejected, match=f"a CA certificate, for {AGENT}, dns:a.example"):
        peer_matches(peer(like=replace(like, names=names)), [expected])


def test_nothing_expected_matches_nothing() -> None:
    with pytest.raises(PeerRejected, match="expected nothing"):
        peer_matches(peer(uri(AGENT)), [])


def test_message_names_both_sides() -> None:
    certificate = peer(uri(AGENT), dns("a.example"), ip("127.0.0.1"))
    with pytest.raises(PeerRejected) as caught:
        peer_matches(certificate, ["spiffe://acme.example/x", "dns:b.example"])
    assert str(caught.value) == (
        f"the server's certificate is for {AGENT}, dns:a.example, ip:127.0.0.1, "
        "expected spiffe://acme.example/x, dns:b.example"
    )
    assert caught.value.hint


def test_message_escapes_and_cuts_a_strangers_names() -> None:
    names = [uri("x:\x1b[2J"), *(dns(f"{n}.example") for n in range(100)), uri("x" * 5000)]
    with pytest.raises(PeerRejected) as caught:
        peer_matches(peer(*names), [AGENT])
    assert r"\x1b[2J" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


def test_unreadable_extensions_are_refused() -> None:
    certificate = peer(uri("spiffe://acme.example/zzz"))
    der = certificate.public_bytes(Encoding.DER).replace(b"spiffe://acme.example/zzz", b"\xff" * 25)
    with pytest.raises(PeerRejected, match="not readable"):
        peer_matches(x509.load_der_x509_certificate(der), [AGENT])


@pytest.mark.parametrize("expected", [AGENT, "dns:a.example", "ip:127.0.0.1"])
@pytest.mark.parametrize("value", [b"\x16\x00", b"\x16\x01_", b"\x16\x01\xff", b"\x04\x01a"])
def test_odd_service_name_is_refused_and_no_defect(value: bytes, expected: str) -> None:
    """RFC 4985 names, which `service_identity` reads while it looks for other ones."""
    odd = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), value)
    with pytest.raises(PeerRejected, match="expected"):
        peer_matches(peer(odd), [expected])


def test_kind_of_name_that_nobody_uses_is_refused() -> None:
    der = peer(uri("spiffe://acme.example/zzz")).public_bytes(Encoding.DER)
    x400 = der.replace(b"\x86\x19spiffe://acme.example/zzz", b"\xa3\x19" + b"\x04\x17" + b"a" * 23)
    assert x400 != der
    with pytest.raises(PeerRejected, match="not readable"):
        peer_matches(x509.load_der_x509_certificate(x400), ["dns:a.example"])


def test_spiffe_peers_cost_no_name_library() -> None:
    code = (
        "import sys; from certs.peer import peer_allowed, peer_evidence, peer_matches; "
        "assert not {'service_identity', 'OpenSSL', 'asyncio', 'aiohttp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


# Callers of an ingress


def test_a_callers_evidence_is_what_envoy_writes() -> None:
    certificate = peer(uri(AGENT), dns("a.example"))
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    own = "spiffe://acme.example/gw"
    line = f"X-Forwarded-Client-Cert: By={own};Hash={digest};URI={AGENT}\r\n".encode()
    assert peer_evidence(certificate, own) == (AGENT, line)
    assert b": Hash=" in peer_evidence(certificate, "")[1]


@pytest.mark.parametrize(
    "like",
    [
        Leaf(names=None),
        Leaf(names=(dns("a.example"),)),
        Leaf(names=(uri(AGENT), uri(AGENT + "2"))),
        Leaf(names=(uri("https://acme.example/agent"),)),
        Leaf(names=(uri("spiffe://acme.example"),)),
        Leaf(names=(uri("spiffe://acme.example/a;URI=spiffe://acme.example/b"),)),
        Leaf(names=(uri("spiffe://acme.example/a\r\nX-Evil:1"),)),
        Leaf(is_ca=True),
        Leaf(usages=("digital_signature", "crl_sign")),
    ],
)
def test_a_certificate_that_is_no_workloads(like: Leaf) -> None:
    with pytest.raises(PeerRejected):
        peer_evidence(peer(like=like), "")


@pytest.mark.parametrize(
    ("spiffe_id", "pattern", "allowed"),
    [
        ("spiffe://a/x", "spiffe://a/x", True),
        ("spiffe://a/x", "spiffe://a/X", False),
        ("spiffe://a/x/y", "spiffe://a/x", False),
        ("spiffe://a/x", "spiffe://a/x/y", False),
        ("spiffe://a/x/y", "spiffe://a/*/y", True),
        ("spiffe://a/x/y", "spiffe://a/x/*", True),
        ("spiffe://a/x", "spiffe://a/x/*", False),
        ("spiffe://a/x/y/z", "spiffe://a/x/*", False),
        ("spiffe://a/x/y/z", "spiffe://a/x/**", True),
        ("spiffe://a/x/y", "spiffe://a/x/**", True),
        ("spiffe://a/x", "spiffe://a/x/**", False),
        ("spiffe://a/x", "spiffe://a/**", True),
        ("spiffe://b/x", "spiffe://a/**", False),
        ("spiffe://a.b/x", "spiffe://a/**", False),
        ("spiffe://a/x/y", "spiffe://a/**/y", False),
        # what a configuration refuses opens nothing here either
        ("spiffe://a/x", "spiffe://*/x", False),
        ("spiffe://a/x", "spiffe://**", False),
        ("spiffe://a/x", "**", False),
        ("spiffe://a/x", "*", False),
        ("spiffe://a/x", "", False),
    ],
)
def test_patterns_of_callers(spiffe_id: str, pattern: str, allowed: bool) -> None:
    assert peer_allowed(spiffe_id, [pattern]) is allowed
    assert peer_allowed(spiffe_id, ["spiffe://z/z", pattern]) is allowed


def test_nobody_is_allowed_by_no_pattern() -> None:
    assert not peer_allowed(AGENT, [])


def _excluding(*trees: str) -> x509.Certificate:
    """An authority that may not certify these DNS names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    excluded = [x509.DNSName(tree) for tree in trees]
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=START,
        not_valid_after=START + timedelta(hours=1),
    ).add_extension(x509.NameConstraints(None, excluded), critical=True)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("tree", "refused"),
    [
        ("bar.example.com", True),
        ("BAR.example.com", True),
        (".bar.example.com", True),
        ("example.com", True),
        ("", True),
        ("ar.example.com", False),
        ("foo.example.com", False),
        ("a.bar.example.com", False),
    ],
)
def test_a_wildcard_is_no_way_around_what_an_authority_excludes(tree: str, refused: bool) -> None:
    leaf = peer(dns("*.example.com"))
    item = peer_matches(leaf, ["dns:bar.example.com"])
    assert is_by_wildcard(leaf, item)
    with pytest.raises(PeerRejected, match="excludes") if refused else nullcontext():
        check_wildcard([leaf, _excluding(tree)], item)


@pytest.mark.parametrize("item", ["dns:bar.example.com", "dns:BAR.example.com", "ip:127.0.0.1"])
def test_what_stands_in_the_certificate_is_no_wildcard(item: str) -> None:
    leaf = peer(dns("*.example.com"), dns("bar.example.com"), ip("127.0.0.1"))
    assert not is_by_wildcard(leaf, peer_matches(leaf, [item]))
