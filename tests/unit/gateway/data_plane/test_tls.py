"""What real handshakes and alerts are told as."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import timedelta

import pytest
from OpenSSL import SSL

from certs.errors import PeerRejected
from gateway.data_plane.stream import ConnectionLost, TlsStream
from gateway.data_plane.tls import (
    Alert,
    alert_of,
    client_context,
    handshake_problem,
    load_material,
    server_context,
    verified_peer,
)
from gateway.ipc.snapshot import IdentitySpec, TlsSpec
from tests.fakes.authority import Authority, Leaf
from tests.fakes.authority import server_context as python_server_context
from tests.fakes.scripted_upstream import ScriptedUpstream, wait_until

AUTHORITY = Authority()
SERVER = AUTHORITY.issue("localhost", "spiffe://acme.example/server")
CLIENT = AUTHORITY.issue("spiffe://acme.example/client")
Attempt = Callable[[TlsStream], None]


def _identity(leaf: Leaf) -> IdentitySpec:
    return IdentitySpec(
        generation=1, key_pem=leaf.key_pem, chain_pem=leaf.chain_pem, spiffe_id="", not_after=0
    )


def _trust(bundle: str) -> TlsSpec:
    return TlsSpec(server_name="localhost", peers=(), bundle_pem=bundle)


def _against(
    context: ssl.SSLContext, attempt: Attempt, *, leaf: Leaf = CLIENT, bundle: str = AUTHORITY.pem
) -> None:
    """Run an attempt against a server with a context."""
    with (
        ScriptedUpstream(context, lambda conversation: conversation.send(b"hello")) as upstream,
        socket.create_connection(("127.0.0.1", upstream.port)) as sock,
    ):
        sock.setblocking(False)
        tls = SSL.Connection(client_context(load_material(_identity(leaf)), _trust(bundle)), sock)
        tls.set_connect_state()
        attempt(TlsStream(sock, tls))


def _late_alert(context: ssl.SSLContext, leaf: Leaf = CLIENT) -> Alert | None:
    """The alert that comes with the first read after a handshake that seemed to succeed."""
    alerts: list[Alert | None] = []

    def attempt(stream: TlsStream) -> None:
        wait_until(stream.handshake)
        with pytest.raises(ConnectionLost) as caught:
            wait_until(lambda: stream.read() is not None)
        alerts.append(caught.value.alert)

    _against(context, attempt, leaf=leaf)
    return alerts[0]


def _failed_handshake(context: ssl.SSLContext, bundle: str = AUTHORITY.pem) -> str:
    """What a failed handshake is told as."""
    problems: list[str] = []

    def attempt(stream: TlsStream) -> None:
        with pytest.raises(SSL.Error) as caught:
            wait_until(stream.handshake)
        problems.append(handshake_problem(stream.connection, caught.value))

    _against(context, attempt, bundle=bundle)
    return problems[0]


def test_a_good_handshake_is_tls_1_3_and_names_the_peer() -> None:
    def attempt(stream: TlsStream) -> None:
        wait_until(stream.handshake)
        assert stream.connection.get_protocol_version_name() == "TLSv1.3"
        assert stream.connection.get_alpn_proto_negotiated() == b"http/1.1"
        assert verified_peer(stream.connection, ("dns:x", "dns:localhost")) == "dns:localhost"
        with pytest.raises(PeerRejected, match=r"spiffe://acme\.example/server"):
            verified_peer(stream.connection, ("spiffe://acme.example/other",))
        wait_until(lambda: stream.read() == b"hello")

    _against(python_server_context(SERVER, AUTHORITY), attempt)


def test_the_alert_for_an_unknown_authority() -> None:
    alert = _late_alert(python_server_context(SERVER, Authority()))
    assert alert is not None
    assert (alert.name, alert.refuses_certificate) == ("unknown ca", True)
    assert "authority" in alert.cause


def test_the_alert_for_an_expired_certificate() -> None:
    hour = timedelta(hours=1)
    leaf = AUTHORITY.issue("spiffe://acme.example/client", starts=-2 * hour, ends=-hour)
    alert = _late_alert(python_server_context(SERVER, AUTHORITY), leaf)
    assert alert is not None
    assert alert.name == "certificate expired"
    assert "expired" in alert.cause


def test_the_alert_for_a_certificate_of_the_future() -> None:
    hour = timedelta(hours=1)
    leaf = AUTHORITY.issue("spiffe://acme.example/client", starts=hour, ends=2 * hour)
    alert = _late_alert(python_server_context(SERVER, AUTHORITY), leaf)
    assert alert is not None
    assert (alert.name, alert.refuses_certificate) == ("bad certificate", True)


@pytest.mark.parametrize(
    ("reason", "name", "refuses"),
    [
        ("tlsv13 alert certificate required", "certificate required", True),
        ("ssl/tls alert certificate revoked", "certificate revoked", True),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED".replace("_", " "), "certificate expired", True),
        ("tlsv1 alert access denied", "access denied", True),
        ("tlsv1 alert internal error", "internal error", False),
    ],
)
def test_alerts_by_openssl_s_words(reason: str, name: str, refuses: bool) -> None:
    alert = alert_of(SSL.Error([("SSL routines", "", reason)]))
    assert alert is not None
    assert (alert.name, alert.refuses_certificate) == (name, refuses)


@pytest.mark.parametrize("error", [SSL.Error(), SSL.Error([]), SSL.Error([("a", "b", "eof")])])
def test_other_errors_are_no_alerts(error: SSL.Error) -> None:
    assert alert_of(error) is None


def test_a_server_outside_the_bundle() -> None:
    problem = _failed_handshake(python_server_context(SERVER, AUTHORITY), Authority().pem)
    assert "not in the trust bundle" in problem


def test_a_server_whose_certificate_expired() -> None:
    leaf = AUTHORITY.issue("localhost", ends=timedelta(seconds=-1))
    assert "expired" in _failed_handshake(python_server_context(leaf, AUTHORITY))


def test_a_server_without_tls_1_3() -> None:
    context = python_server_context(SERVER, AUTHORITY)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert _failed_handshake(context) == "the server does not speak TLS 1.3"


def test_an_intermediate_may_be_the_trust_anchor() -> None:
    """A bundle's authorities are anchors whether or not they signed themselves: the leaf itself."""

    def attempt(stream: TlsStream) -> None:
        wait_until(stream.handshake)

    _against(python_server_context(SERVER, AUTHORITY), attempt, bundle=SERVER.chain_pem)


def test_no_session_is_resumed() -> None:
    """A resumed session would show the certificate of the time when it was made."""
    context = client_context(load_material(_identity(CLIENT)), _trust(AUTHORITY.pem))
    assert context.get_session_cache_mode() == SSL.SESS_CACHE_OFF


@pytest.mark.parametrize("broken", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAA=="])
def test_unusable_material_is_a_value_error(broken: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_material(
            _identity(Leaf(key_pem=broken, chain_pem=CLIENT.chain_pem, serial=0, not_after=0))
        )
    with pytest.raises(ValueError, match=r"."):
        client_context(load_material(_identity(CLIENT)), _trust(broken))


def test_a_key_that_does_not_fit_is_refused() -> None:
    other = AUTHORITY.issue("spiffe://acme.example/other")
    mixed = Leaf(key_pem=other.key_pem, chain_pem=CLIENT.chain_pem, serial=0, not_after=0)
    with pytest.raises((ValueError, SSL.Error)):
        client_context(load_material(_identity(mixed)), _trust(AUTHORITY.pem))


def test_two_gateways_agree_on_a_post_quantum_group() -> None:
    trust = _trust(AUTHORITY.pem)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        caller = SSL.Connection(client_context(load_material(_identity(CLIENT)), trust), ours)
        ingress = SSL.Connection(server_context(load_material(_identity(SERVER)), trust), theirs)
        caller.set_connect_state()
        ingress.set_accept_state()
        ours.setblocking(False)
        theirs.setblocking(False)
        near, far = TlsStream(ours, caller), TlsStream(theirs, ingress)
        wait_until(lambda: near.handshake() & far.handshake())
        assert caller.get_group_name() == ingress.get_group_name() == "X25519MLKEM768"
