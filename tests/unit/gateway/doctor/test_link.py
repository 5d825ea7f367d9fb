"""Handshakes of doctor's own, and verdicts that come behind them."""

from __future__ import annotations

import ssl

import pytest

from gateway.data_plane.tls import Material, load_material
from gateway.doctor.link import Trust, connect, dial, issuer_in, shown_by
from gateway.doctor.message import Missed
from gateway.ipc.snapshot import IdentitySpec, TlsSpec
from tests.fakes.authority import Authority, Leaf, server_context
from tests.fakes.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.may_block("servers in threads")

_AUTHORITY = Authority("the one")
_SERVER = _AUTHORITY.issue("localhost")
_CLIENT = _AUTHORITY.issue("spiffe://acme.example/client")


def _material(leaf: Leaf) -> Material:
    return load_material(
        IdentitySpec(
            generation=1, key_pem=leaf.key_pem, chain_pem=leaf.chain_pem, spiffe_id="", not_after=0
        )
    )


def _trust(material: Material | None, bundle: str = _AUTHORITY.pem) -> Trust:
    spec = TlsSpec(server_name="localhost", peers=("dns:localhost",), bundle_pem=bundle)
    return Trust(spec=spec, material=material)


def _upstream(context: ssl.SSLContext) -> ScriptedUpstream:
    return ScriptedUpstream(context, lambda conversation: conversation.send(b"hello"))


@pytest.mark.parametrize("shows", [True, False])
async def test_whether_a_certificate_is_wanted(*, shows: bool) -> None:
    for mode, asked in ((ssl.CERT_OPTIONAL, True), (ssl.CERT_NONE, False)):
        context = server_context(_SERVER, _AUTHORITY)
        context.verify_mode = mode
        with _upstream(context) as upstream:
            trust = _trust(_material(_CLIENT) if shows else None)
            link, handshake = await dial(("127.0.0.1", upstream.port), trust)
            assert handshake.asked == asked
            assert (handshake.version, handshake.alpn) == ("TLSv1.3", "http/1.1")
            assert handshake.peer == "dns:localhost"
            assert "issued by CN=the one" in handshake.server
            assert await link.receive() == b"hello"
            await link.close()


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (None, "requires a client certificate"),
        (Authority().issue("spiffe://acme.example/client"), "does not know the authority"),
    ],
)
async def test_a_refusal_comes_with_the_first_read(leaf: Leaf | None, said: str) -> None:
    with _upstream(server_context(_SERVER, _AUTHORITY)) as upstream:
        trust = _trust(_material(leaf) if leaf else None)
        link, handshake = await dial(("127.0.0.1", upstream.port), trust)
        assert handshake.asked
        with pytest.raises(Missed) as missed:
            await link.receive()
        await link.close()
    assert missed.value.failure.reason == "certificate_refused"
    assert said in missed.value.failure.detail


async def test_a_stranger_and_whom_it_shows() -> None:
    other = Authority("another")
    with _upstream(server_context(other.issue("localhost"), _AUTHORITY)) as upstream:
        address = ("127.0.0.1", upstream.port)
        with pytest.raises(Missed) as missed:
            await dial(address, _trust(None))
        assert missed.value.failure.reason == "tls_failed"
        leaf = await shown_by(address, "localhost")
        assert leaf is not None
        assert issuer_in(leaf) == "CN=another"


async def test_trust_that_cant_be_used() -> None:
    with pytest.raises(Missed) as missed:
        await dial(("127.0.0.1", 1), _trust(None, bundle="nonsense"))
    assert missed.value.failure.reason == "route_unavailable"


async def test_nobody_there() -> None:
    with pytest.raises(Missed) as missed:
        await connect(("/none/such.sock", 0))
    assert missed.value.failure.reason == "unreachable"
    assert "no such file" in missed.value.failure.detail
