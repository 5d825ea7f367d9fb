"""What is said of chains that were accepted before, after real handshakes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from OpenSSL import SSL

from certs import keys
from gateway.data_plane.judge import Judge, Objection
from gateway.data_plane.stream import PlainStream, TlsStream
from gateway.data_plane.tls import client_context, load_material, server_context
from gateway.ipc.snapshot import IdentitySpec, RouteSpec, TlsSpec
from tests.fakes import certificates
from tests.fakes.authority import Authority
from tests.fakes.routes import route_spec
from tests.fakes.scripted_upstream import wait_until

AUTHORITY = Authority()
SERVER = AUTHORITY.issue("localhost", "spiffe://acme.example/server")
CLIENT = AUTHORITY.issue("spiffe://acme.example/agent/client")
PAIR = (SERVER.key_pem, SERVER.chain_pem)
HOUR = timedelta(hours=1)


def _tls(bundle: str = AUTHORITY.pem, crl: str = "", *peers: str) -> TlsSpec:
    return TlsSpec(
        server_name="localhost", peers=peers or ("dns:localhost",), bundle_pem=bundle, crl_pem=crl
    )


def _route(tls: TlsSpec) -> RouteSpec:
    return route_spec(tls=tls)


def _ingress(tls: TlsSpec) -> RouteSpec:
    return route_spec(tls=tls, ingress=True)


def _identity(key_pem: str, chain_pem: str) -> IdentitySpec:
    return IdentitySpec(
        generation=1, key_pem=key_pem, chain_pem=chain_pem, spiffe_id="", not_after=0
    )


@contextmanager
def _met(
    server: tuple[str, str] = PAIR, bundle: str = AUTHORITY.pem
) -> Iterator[tuple[TlsStream, TlsStream]]:
    """The client's and the server's end of a connection, after the handshake."""
    with ExitStack() as stack:
        ends = [stack.enter_context(sock) for sock in socket.socketpair()]
        for sock in ends:
            sock.setblocking(False)
        ours = load_material(_identity(CLIENT.key_pem, CLIENT.chain_pem))
        near = SSL.Connection(client_context(ours, _tls(bundle)), ends[0])
        far = SSL.Connection(server_context(load_material(_identity(*server)), _tls()), ends[1])
        near.set_connect_state()
        far.set_accept_state()
        streams = (TlsStream(ends[0], near), TlsStream(ends[1], far))
        wait_until(lambda: [stream.handshake() for stream in streams] == [True, True])
        yield streams


def test_what_was_good_is_good() -> None:
    with _met() as (upstream, caller):
        assert Judge(_route(_tls())).objection(upstream) is None
        anybody = _tls(AUTHORITY.pem, "", "spiffe://acme.example/agent/*")
        assert Judge(_ingress(anybody)).objection(caller) is None


@pytest.mark.parametrize(
    ("tls", "reason", "why"),
    [
        (
            _tls(AUTHORITY.pem, AUTHORITY.crl(SERVER.serial)),
            "revoked",
            "the server's certificate is revoked",
        ),
        (
            _tls(Authority().pem),
            "untrusted",
            "the server's chain ends in an authority that is not in the trust bundle",
        ),
        (
            _tls(AUTHORITY.pem, Authority().crl()),
            "untrusted",
            "there is no revocation list in force of the server's issuer",
        ),
    ],
)
def test_an_upstream_that_is_good_no_more(tls: TlsSpec, reason: str, why: str) -> None:
    with _met() as (upstream, _):
        objection = Judge(_route(tls)).objection(upstream)
    assert objection == Objection(reason, why, "spiffe://acme.example/server, dns:localhost")


def test_an_upstream_of_another_name_than_is_expected_now() -> None:
    with _met() as (upstream, _):
        objection = Judge(_route(_tls(AUTHORITY.pem, "", "dns:other.example"))).objection(upstream)
    assert objection is not None
    assert objection.reason == "peer_rejected"
    assert "expected dns:other.example" in objection.why


@pytest.mark.parametrize(
    ("tls", "reason", "why"),
    [
        (
            _tls(AUTHORITY.pem, AUTHORITY.crl(CLIENT.serial)),
            "revoked",
            "the caller's certificate is revoked",
        ),
        (
            _tls(AUTHORITY.pem, "", "spiffe://acme.example/a/b"),
            "peer_rejected",
            "the caller is spiffe://acme.example/agent/client, which no peer allows any more",
        ),
    ],
)
def test_a_caller_that_is_good_no_more(tls: TlsSpec, reason: str, why: str) -> None:
    with _met() as (_, caller):
        objection = Judge(_ingress(tls)).objection(caller)
    assert objection == Objection(reason, why, "spiffe://acme.example/agent/client")


def test_time_ends_nothing() -> None:
    old = AUTHORITY.crl(starts=-2 * HOUR, ends=-HOUR)
    with _met() as (upstream, _):
        assert Judge(_route(_tls(AUTHORITY.pem, old))).objection(upstream) is None


def test_who_showed_no_certificate_may_not_go_on() -> None:
    """A listener that was a plain one before."""
    with socket.socket() as sock:
        objection = Judge(_ingress(_tls())).objection(PlainStream(sock))
    assert objection is not None
    assert objection.why == "the caller showed no certificate"


def test_trust_that_cant_be_read_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        Judge(_route(_tls("")))


def test_a_chain_is_looked_at_once() -> None:
    judge = Judge(_route(_tls(Authority().pem)))
    with _met() as (one, _), _met() as (another, _):
        first = judge.objection(one)
        assert first is not None
        assert judge.objection(another) is first


def test_a_chain_over_an_intermediate_is_judged_by_what_was_sent() -> None:
    now = datetime.now(UTC)
    root = certificates.root(start=now - HOUR)
    issuing = root.authority("issuing", end=now + HOUR)
    key = keys.generate()
    like = certificates.Leaf(
        names=(certificates.dns("localhost"),), not_before=now - HOUR, not_after=now + HOUR
    )
    chain = issuing.chain_of(issuing.leaf(key, like)).decode()
    with _met((keys.to_pem(key).decode(), chain), root.pem.decode()) as (upstream, _):
        for bundle in (root.pem, issuing.pem, root.pem + AUTHORITY.pem.encode()):
            assert Judge(_route(_tls(bundle.decode()))).objection(upstream) is None
        assert Judge(_route(_tls())).objection(upstream) is not None
