"""Each check finds what is wrong, and only that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs import keys
from certs.inspection import Finding, Material, inspect
from tests.fakes.certificates import AGENT, Leaf, Signer, dns, root, to_pem, uri
from tests.fakes.clock import START

ROOT = root()
ISSUING = ROOT.authority("acme issuing")
KEY = keys.generate()
SECOND = timedelta(seconds=1)


def lists(
    *revoked: x509.Certificate,
    of: tuple[Signer, ...] = (ROOT, ISSUING),
    ends: datetime = START + timedelta(days=1),
) -> bytes:
    """Revocation lists of some authorities, each with all of `revoked`."""
    made = b""
    for signer in of:
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=signer.certificate.subject,
            last_update=START - timedelta(days=2),
            next_update=ends,
        )
        for item in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(item.serial_number, START).build()
            )
        signed = builder.sign(signer.key, hashes.SHA256())
        made += signed.public_bytes(serialization.Encoding.PEM)
    return made


def material(like: Leaf | None = None, **changes: Any) -> Material:
    leaf = ISSUING.leaf(KEY, like)
    values: dict[str, Any] = {
        "chain_pem": ISSUING.chain_of(leaf),
        "bundle_pem": ROOT.pem,
        "key_pem": keys.to_pem(KEY),
        "crl_pem": lists(),
        "spiffe_id": AGENT,
    }
    return Material(**(values | changes))


def found(material: Material, now: datetime = START) -> dict[str, Finding]:
    return {item.check: item for item in inspect(material, now=now)}


def failures(material: Material, now: datetime = START) -> dict[str, str]:
    return {
        name: item.detail for name, item in found(material, now).items() if item.result == "fail"
    }


def test_all_is_well() -> None:
    findings = found(material())
    assert list(findings) == [
        "certificate", "trust bundle", "profile", "name", "validity", "key", "chain", "revocation",
    ]  # fmt: skip
    assert {item.result for item in findings.values()} == {"pass"}
    assert "CN=acme issuing" in findings["certificate"].detail
    assert findings["profile"].detail == f"an X509-SVID for {AGENT}"
    assert "of its life used" in findings["validity"].detail
    assert findings["trust bundle"].detail == "CN=acme root"
    assert findings["revocation"].detail == "on none of 2 lists"


def test_what_isnt_given_is_skipped() -> None:
    findings = found(Material(chain_pem=material().chain_pem))
    assert {name: item.result for name, item in findings.items()} == {
        "certificate": "pass",
        "profile": "pass",
        "validity": "pass",
        "key": "skipped",
        "chain": "skipped",
        "revocation": "skipped",
    }


def test_a_certificate_that_isnt_readable_leaves_the_bundle_to_look_at() -> None:
    findings = found(material(chain_pem=b"nothing"))
    assert findings["certificate"].result == "fail"
    assert findings["trust bundle"].result == "pass"
    others = [
        item for name, item in findings.items() if name not in {"certificate", "trust bundle"}
    ]
    assert {item.result for item in others} == {"skipped"}


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (START - timedelta(minutes=10), "valid only from 2026-03-01T11:59:00Z, in 0:09:00"),
        (START + timedelta(days=9), "it expired at "),
    ],
)
def test_out_of_its_time_nothing_else_is_wrong(now: datetime, text: str) -> None:
    found_wrong = failures(material(crl_pem=lists(ends=START + timedelta(days=20))), now)
    assert list(found_wrong) == ["validity"]
    assert text in found_wrong["validity"]


def test_late_in_its_life_it_says_so() -> None:
    like = Leaf(not_before=START - timedelta(hours=9), not_after=START + timedelta(hours=1))
    item = found(material(like))["validity"]
    assert item.result == "pass"
    assert "90% of its life used; that is late for a renewal" in item.detail


def test_another_name() -> None:
    wrong = failures(material(spiffe_id="spiffe://acme.example/other"))
    assert wrong == {"name": f"it is for {AGENT}, and spiffe://acme.example/other is expected"}
    plain = material(Leaf(names=[dns("a.example")]))
    assert list(failures(plain)) == ["name"]
    assert "without a SPIFFE id" in found(plain)["profile"].detail


@pytest.mark.parametrize(
    "like",
    [
        Leaf(names=[uri(AGENT), uri("spiffe://acme.example/b")]),
        Leaf(is_ca=True),
        Leaf(usages=("digital_signature", "key_cert_sign")),
        Leaf(purposes=()),
        Leaf(names=[uri("spiffe://acme.example")]),
    ],
)
def test_what_breaks_the_profile(like: Leaf) -> None:
    assert "profile" in failures(material(like))


def test_another_key() -> None:
    assert list(failures(material(key_pem=keys.to_pem(keys.generate())))) == ["key"]
    assert list(failures(material(key_pem=b"x"))) == ["key"]


def test_another_authority() -> None:
    wrong = failures(material(bundle_pem=root("other").pem, crl_pem=None))
    assert list(wrong) == ["chain"]
    assert "doesn't lead to the trust bundle" in wrong["chain"]
    bare = material(chain_pem=to_pem(ISSUING.leaf(KEY)), crl_pem=None)
    assert list(failures(bare)) == ["chain"]


@pytest.mark.parametrize("bundle", [b"", b"x", to_pem(ISSUING.leaf(KEY))])
def test_a_bundle_that_isnt_one(bundle: bytes) -> None:
    findings = found(material(bundle_pem=bundle))
    assert findings["trust bundle"].result == "fail"
    assert findings["chain"].result == findings["revocation"].result == "skipped"


def test_a_revoked_leaf_and_a_revoked_authority() -> None:
    good = material()
    leaf, above = x509.load_pem_x509_certificates(good.chain_pem)[:2]
    for item in (leaf, above):
        wrong = failures(
            Material(chain_pem=good.chain_pem, bundle_pem=ROOT.pem, crl_pem=lists(item))
        )
        assert list(wrong) == ["revocation"]
        assert f"serial {item.serial_number:x} was revoked at" in wrong["revocation"]


@pytest.mark.parametrize(
    ("pem", "text"),
    [
        (b"x", "no revocation list in PEM"),
        (lists(of=(ISSUING,)), "unable to get certificate CRL"),
        (lists(ends=START - SECOND), "has expired"),
        (lists(of=(ROOT, Signer(certificate=ISSUING.certificate, key=keys.generate()))), ""),
    ],
)
def test_lists_that_say_nothing(pem: bytes, text: str) -> None:
    wrong = failures(material(crl_pem=pem))
    assert list(wrong) == ["revocation"]
    assert text in wrong["revocation"]


def test_every_failure_has_a_remedy() -> None:
    spoilt = [
        material(bundle_pem=b""),
        material(spiffe_id="spiffe://a/b"),
        material(key_pem=keys.to_pem(keys.generate())),
        material(bundle_pem=root("other").pem),
    ]
    for item in spoilt:
        assert all(it.hint for it in inspect(item, now=START) if it.result == "fail")
    assert all(
        it.hint
        for now in (START - timedelta(days=1), START + timedelta(days=9))
        for it in inspect(material(crl_pem=None), now=now)
        if it.result == "fail"
    )
