"""Trust bundles: what is taken in, and what comes out."""

from __future__ import annotations

import pytest

from certs import keys
from certs.bundle import TrustBundle
from certs.errors import InvalidCertificate
from tests.fakes.certificates import Leaf, root, to_pem

ONE, TWO = root("one"), root("two")


def test_reads_and_writes() -> None:
    bundle = TrustBundle.from_pem(b"# one\n" + ONE.pem + b"\n# two\n" + TWO.pem)
    assert bundle.authorities == (ONE.certificate, TWO.certificate)
    assert bundle.to_pem() == ONE.pem + TWO.pem
    assert TrustBundle.from_pem(bundle.to_pem()) == bundle


def test_authority_given_twice_is_kept_once() -> None:
    assert TrustBundle.from_pem(ONE.pem + TWO.pem + ONE.pem).to_pem() == ONE.pem + TWO.pem


@pytest.mark.parametrize("text", [b"", b" \n\t"])
def test_empty_bundle(text: bytes) -> None:
    bundle = TrustBundle.from_pem(text)
    assert not bundle
    assert bundle.to_pem() == b""
    assert bundle == TrustBundle()


def test_digest_is_of_the_set() -> None:
    there = TrustBundle.from_pem(ONE.pem + TWO.pem)
    back = TrustBundle.from_pem(TWO.pem + ONE.pem)
    assert there.digest == back.digest
    assert len({there.digest, TrustBundle.from_pem(ONE.pem).digest, TrustBundle().digest}) == 3
    assert there.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"certificates, please", "not readable PEM"),
        (keys.to_pem(keys.generate()), "not readable PEM"),
        (ONE.pem[:-100], "not readable PEM|cut off"),
        (ONE.pem + TWO.pem[:-100], "not readable PEM|cut off"),
        (b"#" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (ONE.pem + to_pem(ONE.leaf(keys.generate())), "certificate 2 .* not a CA"),
        (to_pem(ONE.leaf(keys.generate(), Leaf(is_ca=None))), "not a CA"),
    ],
)
def test_refuses(text: bytes, why: str) -> None:
    with pytest.raises(InvalidCertificate, match=why):
        TrustBundle.from_pem(text)


def test_too_many_authorities() -> None:
    many = [root(f"root {number}", key=ONE.key) for number in range(257)]
    assert len(TrustBundle.of(item.certificate for item in many[1:]).authorities) == 256
    with pytest.raises(InvalidCertificate, match="over 256 authorities"):
        TrustBundle.of(item.certificate for item in many)


def test_repr_is_short() -> None:
    assert repr(TrustBundle.from_pem(ONE.pem)).startswith("TrustBundle(1 authorities, sha256:")
