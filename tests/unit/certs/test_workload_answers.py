"""What is answered is read as it was meant, by protobuf's own runtime and by our client."""

from __future__ import annotations

from certs.sources.workload_messages import read_svids
from certs.workload_answers import ServedSvid, der_of, x509_bundles, x509_svids
from tests.fakes.certificates import root, to_pem
from tests.fakes.workload_client import MESSAGES


def svid(**changes: object) -> ServedSvid:
    values = {
        "spiffe_id": "spiffe://acme.example/a",
        "chain": b"c" * 300,
        "key": b"k",
        "bundle": b"b" * 20_000,
        "hint": "inside",
    }
    return ServedSvid(**(values | changes))  # type: ignore[arg-type]


def test_several_svids_in_their_order() -> None:
    message = x509_svids([svid(), svid(spiffe_id="spiffe://acme.example/ü", hint="")])
    first, second = MESSAGES["X509SVIDResponse"].FromString(message).svids
    assert (first.spiffe_id, first.hint) == ("spiffe://acme.example/a", "inside")
    assert (first.x509_svid, first.x509_svid_key) == (b"c" * 300, b"k")
    assert first.bundle == b"b" * 20_000
    assert (second.spiffe_id, second.hint) == ("spiffe://acme.example/ü", "")


def test_our_own_client_reads_them_too() -> None:
    (read,) = read_svids(x509_svids([svid()]))
    assert (read.spiffe_id, read.chain, read.key, read.hint) == (
        "spiffe://acme.example/a",
        b"c" * 300,
        b"k",
        "inside",
    )


def test_bundles_by_trust_domain() -> None:
    bundles = {"spiffe://a": b"one", "spiffe://b": b"two"}
    read = MESSAGES["X509BundlesResponse"].FromString(x509_bundles(bundles))
    assert dict(read.bundles) == bundles


def test_pem_to_der() -> None:
    one, two = root("one"), root("two")
    text = b"comment\n" + to_pem(one.certificate) + b"\r\n" + to_pem(two.certificate)
    from cryptography.hazmat.primitives.serialization import Encoding

    assert der_of(text) == (
        one.certificate.public_bytes(Encoding.DER),
        two.certificate.public_bytes(Encoding.DER),
    )


def test_keys_stay_out_of_what_is_printed() -> None:
    assert "key" not in repr(svid(key=b"secret"))
