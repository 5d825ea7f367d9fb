"""SPIFFE ids are read by the letter of the standard."""

from __future__ import annotations

import pytest

from identity.errors import InvalidSpiffeId
from identity.spiffe import MAX_ID_BYTES, SpiffeId, TrustDomain


@pytest.mark.parametrize(
    ("text", "domain", "path"),
    [
        ("spiffe://acme.example", "acme.example", ""),
        ("spiffe://acme.example/agent/planner", "acme.example", "/agent/planner"),
        ("spiffe://a_b-c.1/A_b-C.9", "a_b-c.1", "/A_b-C.9"),
        ("spiffe://10.0.0.1/x", "10.0.0.1", "/x"),
        ("spiffe://acme/...", "acme", "/..."),
        ("spiffe://acme/.hidden", "acme", "/.hidden"),
        ("spiffe://" + "a" * 255 + "/x", "a" * 255, "/x"),
    ],
)
def test_reads_and_writes(text: str, domain: str, path: str) -> None:
    spiffe_id = SpiffeId.parse(text)
    assert spiffe_id == SpiffeId(TrustDomain(domain), path)
    assert str(spiffe_id) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme.example/x",
        "https://acme.example/x",
        "SPIFFE://acme.example/x",
        "spiffe:/acme.example/x",
        "spiffe:acme",
        "spiffe://",
        "spiffe:///x",
        "spiffe://Acme.example/x",
        "spiffe://user@acme.example/x",
        "spiffe://acme.example:8443/x",
        "spiffe://acme%2eexample/x",
        "spiffe://[::1]/x",
        "spiffe://äcme.example/x",
        "spiffe://acme.example/",
        "spiffe://acme.example/x/",
        "spiffe://acme.example//x",
        "spiffe://acme.example/x//y",
        "spiffe://acme.example/.",
        "spiffe://acme.example/x/../y",
        "spiffe://acme.example/x%2Fy",
        "spiffe://acme.example/x y",
        "spiffe://acme.example/é",
        "spiffe://acme.example/x?query",
        "spiffe://acme.example/x#fragment",
        "spiffe://acme.example?query",
        "spiffe://acme.example#fragment",
        "spiffe://acme.example\\x",
        "spiffe://acme.example/x\n",
        "spiffe://acme.example\n",
        " spiffe://acme.example/x",
        "spiffe://acme.example/x\0",
        "spiffe://" + "a" * 256 + "/x",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidSpiffeId):
        SpiffeId.parse(text)


def test_longest_id() -> None:
    start = "spiffe://acme.example/"
    longest = start + "x" * (MAX_ID_BYTES - len(start))
    assert str(SpiffeId.parse(longest)) == longest
    with pytest.raises(InvalidSpiffeId, match="2049 bytes"):
        SpiffeId.parse(longest + "x")


def test_leaf_id_needs_a_path() -> None:
    assert SpiffeId.parse_leaf("spiffe://acme.example/x").path == "/x"
    with pytest.raises(InvalidSpiffeId, match="names a trust domain") as caught:
        SpiffeId.parse_leaf("spiffe://acme.example")
    assert "path" in caught.value.hint


@pytest.mark.parametrize("text", ["acme.example", "spiffe://acme.example"])
def test_trust_domain(text: str) -> None:
    assert str(TrustDomain.parse(text)) == "acme.example"


@pytest.mark.parametrize("text", ["", "Acme", "acme/x", "spiffe://acme/x", "acme:1", "a" * 256])
def test_refuses_trust_domain(text: str) -> None:
    with pytest.raises(InvalidSpiffeId):
        TrustDomain.parse(text)


@pytest.mark.parametrize("path", ["x", "/", "/x/", "//x"])
def test_value_is_checked_however_it_is_made(path: str) -> None:
    with pytest.raises(InvalidSpiffeId):
        SpiffeId(TrustDomain("acme"), path)


def test_message_escapes_and_cuts_what_a_stranger_sent() -> None:
    with pytest.raises(InvalidSpiffeId) as caught:
        SpiffeId.parse("\x1b[2J" + "x" * 5000)
    assert str(caught.value).startswith(r"'\x1b[2J")
    assert len(str(caught.value)) < 300
