"""The issuer's own certificate, fresh at each handshake."""

from __future__ import annotations

import os
import ssl
from datetime import timedelta

from cryptography import x509

from certs import tls_context
from certs.issuer import ca
from certs.issuer.authorities import AuthoritySet
from certs.issuer.server_identity import ServerIdentity, issuer_id
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock


def identity(clock: ManualClock) -> tuple[ServerIdentity, ssl.SSLContext]:
    authority = ca.make(
        trust_domain=TRUST_DOMAIN, now=clock.now() - timedelta(days=2), random=os.urandom
    ).authority
    authorities = AuthoritySet(
        sequence=1,
        workloads=authority,
        server=authority,
        trusted=(authority,),
        roots_pem=ca.to_pem(authority.root),
        pull=None,
    )
    server = ServerIdentity(
        authorities=lambda: authorities,
        trust_domain=TRUST_DOMAIN,
        dns_names=("issuer.acme.example",),
        addresses=(),
        clock=clock,
    )
    return server, tls_context.stranger_context()


def seen(server: ServerIdentity, client: ssl.SSLContext) -> x509.Certificate:
    """The leaf that one handshake shows."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_side=False)
    two = server.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = one.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_it_names_the_issuer_and_where_it_is_found() -> None:
    server, client = identity(ManualClock())
    names = seen(server, client).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(name.value) for name in names.value] == [
        issuer_id(TRUST_DOMAIN),
        "localhost",
        "issuer.acme.example",
        "127.0.0.1",
        "::1",
    ]


def test_it_is_renewed_past_half_of_its_life_and_not_before() -> None:
    clock = ManualClock()
    server, client = identity(clock)
    first = seen(server, client)
    clock.pass_by(timedelta(hours=11, minutes=59))
    assert seen(server, client) == first
    clock.pass_by(timedelta(minutes=1))
    second = seen(server, client)
    assert second.serial_number != first.serial_number
    assert second.not_valid_after_utc == clock.now() + timedelta(hours=24)
    assert seen(server, client) == second


def test_it_is_good_again_after_a_long_sleep() -> None:
    clock = ManualClock()
    server, client = identity(clock)
    clock.pass_by(timedelta(days=30))
    assert seen(server, client).not_valid_after_utc > clock.now()
