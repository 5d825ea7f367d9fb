"""TLS contexts of the standard library: real handshakes in memory."""

from __future__ import annotations

import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from certs import keys, tls_context
from certs.errors import InvalidCertificate
from certs.issuer import ca
from certs.issuer.ca import Authority
from certs.profiles import LeafNames, Terms

NOW = datetime.now(UTC)
DOMAIN = "acme.example"
SERVER_ID = f"spiffe://{DOMAIN}/devwiz-gw/issuer"


@dataclass(frozen=True)
class Pair:
    key_pem: bytes
    chain_pem: bytes


def authority(domain: str = DOMAIN) -> Authority:
    import os

    return ca.make(trust_domain=domain, now=NOW, random=os.urandom).authority


def pair(signer: Authority, spiffe_id: str, *, life: timedelta = timedelta(hours=1)) -> Pair:
    key = keys.generate()
    start = min(NOW, NOW + life - timedelta(seconds=1))
    leaf = signer.sign_workload(
        key.public_key(),
        names=LeafNames(spiffe_id=spiffe_id, dns_names=("localhost",)),
        terms=Terms(serial=9, now=start, life=life if life > timedelta(0) else timedelta(0)),
    )
    return Pair(key_pem=keys.to_pem(key), chain_pem=signer.chain_pem(leaf))


def server(signer: Authority, spiffe_id: str = SERVER_ID) -> ssl.SSLContext:
    context = tls_context.server_context(client_bundle_pem=ca.to_pem(signer.root))
    own = pair(signer, spiffe_id)
    tls_context.load_key_pair(context, key_pem=own.key_pem, chain_pem=own.chain_pem)
    return context


def client(signer: Authority) -> ssl.SSLContext:
    return tls_context.client_context(bundle_pem=ca.to_pem(signer.root), server_id=SERVER_ID)


def shake(
    client_side: ssl.SSLContext, server_side: ssl.SSLContext
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A whole handshake, and one byte back, in memory. Raises what either side raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client_side.wrap_bio(to_client, to_server, server_side=False)
    two = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    two.write(b"!")
    assert one.read(1) == b"!"
    return one, two


def test_the_right_server_is_talked_to_over_tls_1_3() -> None:
    signer = authority()
    one, two = shake(client(signer), server(signer))
    assert one.version() == "TLSv1.3"
    assert two.getpeercert(binary_form=True) is None


def test_a_workload_of_the_same_authority_is_not_the_server() -> None:
    signer = authority()
    with pytest.raises(ssl.SSLCertVerificationError, match="agent/impostor, not"):
        shake(client(signer), server(signer, f"spiffe://{DOMAIN}/agent/impostor"))


def test_a_server_of_another_authority_is_refused() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(client(authority()), server(authority()))


def test_a_client_certificate_is_shown_and_checked() -> None:
    signer = authority()
    context, own = client(signer), pair(signer, f"spiffe://{DOMAIN}/agent/a")
    tls_context.load_key_pair(context, key_pem=own.key_pem, chain_pem=own.chain_pem)
    _, two = shake(context, server(signer))
    shown = two.getpeercert(binary_form=True)
    assert shown == ssl.PEM_cert_to_DER_cert(own.chain_pem.decode().split("-----END")[0] + END)


END = "-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("problem", ["foreign", "expired"])
def test_a_bad_client_certificate_ends_the_handshake(problem: str) -> None:
    signer = authority()
    context = client(signer)
    own = (
        pair(authority(), f"spiffe://{DOMAIN}/agent/a")
        if problem == "foreign"
        else pair(signer, f"spiffe://{DOMAIN}/agent/a", life=timedelta(seconds=-30))
    )
    tls_context.load_key_pair(context, key_pem=own.key_pem, chain_pem=own.chain_pem)
    with pytest.raises(ssl.SSLError):
        shake(context, server(signer))


def test_tls_1_2_is_refused() -> None:
    signer = authority()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(old, server(signer))


def test_sessions_are_not_resumed() -> None:
    signer = authority()
    one, _ = shake(client(signer), server(signer))
    assert one.session is None or not one.session.has_ticket


def test_a_key_and_certificate_that_dont_fit_are_refused() -> None:
    signer = authority()
    first, second = pair(signer, SERVER_ID), pair(signer, SERVER_ID)
    context = tls_context.server_context(client_bundle_pem=ca.to_pem(signer.root))
    with pytest.raises(InvalidCertificate, match="can't be used for TLS"):
        tls_context.load_key_pair(context, key_pem=first.key_pem, chain_pem=second.chain_pem)


def test_elsewhere_than_on_linux_the_key_is_on_disk_only_encrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signer = authority()
    monkeypatch.setattr(sys, "platform", "darwin")
    one, _ = shake(client(signer), server(signer))
    assert one.version() == "TLSv1.3"
