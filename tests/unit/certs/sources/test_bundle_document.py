"""Reading bundle documents: the issuer's own, and what others may send."""

from __future__ import annotations

import os
from typing import Any

import pytest

from certs.errors import InvalidCertificate
from certs.issuer import bundle_document as written
from certs.issuer import ca
from certs.sources import bundle_document
from tests.fakes.clock import START
from tests.fakes.issuer import TRUST_DOMAIN


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    roots = [
        ca.make(trust_domain=TRUST_DOMAIN, now=START, random=os.urandom, number=number)
        for number in (1, 2)
    ]
    pem = b"".join(ca.to_pem(root.authority.root) for root in roots)
    return written.document(pem, sequence=7)


def test_what_the_issuer_writes_is_read(document: dict[str, Any]) -> None:
    found = bundle_document.read(document)
    assert (len(found.bundle.authorities), found.sequence) == (2, 7)


def test_what_is_for_something_else_is_passed_over(document: dict[str, Any]) -> None:
    own, other = document["keys"]
    entries = [own, {**other, "use": "jwt-svid"}, {"kty": "OKP"}, "what", {**own, "kid": "more"}]
    assert len(bundle_document.read({"keys": entries}).bundle.authorities) == 1


@pytest.mark.parametrize(
    "other", [{"x5c": None}, {"x5c": []}, {"x5c": "text"}, {"kty": "PQ"}, {"kty": None}]
)
def test_an_entry_without_certificate_or_of_an_unknown_type_is_passed_over(
    document: dict[str, Any], other: dict[str, Any]
) -> None:
    own, more = document["keys"]
    found = bundle_document.read({"keys": [{**more, **other}, own]})
    assert len(found.bundle.authorities) == 1


def test_a_document_without_authorities_trusts_nobody() -> None:
    found = bundle_document.read({"keys": []})
    assert not found.bundle
    assert found.sequence is None


@pytest.mark.parametrize("x5c", [[""], ["!"], [1], ["AAAA"]])
def test_an_authority_that_cant_be_read_is_refused(document: dict[str, Any], x5c: Any) -> None:
    entry = {**document["keys"][0], "x5c": x5c}
    with pytest.raises(InvalidCertificate):
        bundle_document.read({"keys": [entry]})


@pytest.mark.parametrize(
    "members",
    [{}, {"keys": {}}, {"keys": [], "spiffe_sequence": "1"}, {"keys": [], "spiffe_sequence": True}],
)
def test_what_is_no_document_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidCertificate):
        bundle_document.read(members)
