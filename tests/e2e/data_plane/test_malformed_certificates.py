"""A server certificate that one library reads and another doesn't costs its connection only."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, Leaf, server_context
from tests.fakes.scripted_upstream import fixed, response
from tests.fakes.worker_rig import PEER

ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
    return bytes([tag]) + length + content


def signed_again(authority: Authority, leaf: Leaf, change: Callable[[bytes], bytes]) -> Leaf:
    """The leaf with its content changed behind the libraries' backs."""
    certificate = x509.load_pem_x509_certificate(leaf.chain_pem.encode())
    content = change(certificate.tbs_certificate_bytes[4:])
    assert content != certificate.tbs_certificate_bytes[4:]
    signed = tlv(0x30, content)
    signature = authority._key.sign(signed, ec.ECDSA(hashes.SHA256()))
    der = tlv(0x30, signed + ECDSA_WITH_SHA256 + tlv(0x03, b"\0" + signature))
    body = base64.encodebytes(der).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    return replace(leaf, chain_pem=pem)


def other_version(content: bytes) -> bytes:
    return content.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)


def true_that_is_not_der(content: bytes) -> bytes:
    return content.replace(b"\x01\x01\xff", b"\x01\x01\x01", 1)


@pytest.mark.parametrize("change", [other_version, true_that_is_not_der])
def test_the_peer_is_refused_and_the_worker_lives(
    lab: StartLab, authority: Authority, change: Callable[[bytes], bytes]
) -> None:
    here = lab(fixed(response(b"served")))
    good = here.upstream.context
    leaf = signed_again(authority, authority.issue("localhost", PEER), change)
    here.upstream.context = server_context(leaf, authority)
    client = here.connect()
    assert client.get("/").status == 502
    assert not here.upstream.requests
    here.upstream.context = good
    assert client.get("/").body == b"served"
