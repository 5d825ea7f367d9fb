"""Chains as they are read, and the facts of a leaf. What is refused: test_verify.py."""

from __future__ import annotations

import pytest

from certs import keys
from certs.errors import InvalidCertificate
from certs.svid import Chain, client_certificate, x509_svid
from tests.fakes.certificates import AGENT, Leaf, dns, root, to_pem, uri

ROOT = root()
ISSUING = ROOT.authority("acme issuing")
KEY = keys.generate()
LEAF = ISSUING.leaf(KEY, Leaf(names=(uri(AGENT), dns("a.example"), dns("b.example"))))


def test_chain_is_read_leaf_first() -> None:
    chain = Chain.from_pem(to_pem(LEAF, ISSUING.certificate, ROOT.certificate))
    assert chain.leaf == LEAF
    assert chain.intermediates == (ISSUING.certificate, ROOT.certificate)


def test_chain_in_normal_form() -> None:
    text = b"subject=leaf\r\n" + to_pem(LEAF).replace(b"\n", b"\r\n") + keys.to_pem(KEY)
    assert Chain.from_pem(text).to_pem() == to_pem(LEAF)


def test_facts_of_an_svid() -> None:
    facts = x509_svid(LEAF)
    assert str(facts.spiffe_id) == AGENT
    assert facts.dns_names == ("a.example", "b.example")
    assert facts.serial == f"{LEAF.serial_number:x}"
    assert facts.issuer == "CN=acme issuing"
    assert facts.not_after == LEAF.not_valid_after_utc


def test_same_leaf_is_a_client_certificate_too() -> None:
    assert client_certificate(LEAF) == x509_svid(LEAF)


def test_signing_certificate_is_no_svid_of_a_workload() -> None:
    with pytest.raises(InvalidCertificate, match="URI names"):
        x509_svid(ISSUING.certificate)
    with pytest.raises(InvalidCertificate, match="CA certificate"):
        client_certificate(ISSUING.certificate)
