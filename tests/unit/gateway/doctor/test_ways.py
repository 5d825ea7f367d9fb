"""Where a caller of this machine connects, and what goes with its requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clients.access import PROOF_HEADER
from gateway.config.model import TcpAddress, UnixAddress
from gateway.data_plane.tls import load_material
from gateway.doctor.link import Trust
from gateway.doctor.message import Missed, Request
from gateway.doctor.ways import ByHand, ThroughGateway, listening, nearest
from gateway.ipc.snapshot import IdentitySpec, TlsSpec
from tests.fakes.authority import Authority, server_context
from tests.fakes.black_hole import black_hole
from tests.fakes.plain_agent import PlainAgent
from tests.fakes.scripted_upstream import Conversation, ScriptedUpstream, answering, fixed, response

pytestmark = pytest.mark.may_block("servers in threads")
_UNIX = UnixAddress(Path("/run/x.sock"))


def test_listeners_as_status_tells_them() -> None:
    told = {"listeners": ["127.0.0.1:8701", "[::1]:8701", "unix:/run/x.sock"]}
    assert listening(told) == [TcpAddress("127.0.0.1", 8701), TcpAddress("::1", 8701), _UNIX]
    assert listening({}) == []


@pytest.mark.parametrize(
    ("listeners", "address", "authority"),
    [
        ([TcpAddress("::1", 1), TcpAddress("127.0.0.1", 2)], ("127.0.0.1", 2), "127.0.0.1:2"),
        ([TcpAddress("::1", 1)], ("::1", 1), "[::1]:1"),
        ([TcpAddress("::", 1)], ("::1", 1), "[::1]:1"),
        ([_UNIX], ("/run/x.sock", 0), "localhost"),
        ([TcpAddress("127.0.0.1", 80)], ("127.0.0.1", 80), "127.0.0.1:80"),
    ],
)
def test_the_nearest(
    listeners: list[TcpAddress | UnixAddress], address: tuple[str, int], authority: str
) -> None:
    assert nearest(listeners) == (address, authority)


async def test_a_token_goes_with_each_request() -> None:
    with PlainAgent(fixed(response(b"hello"))) as agent:
        listeners = [TcpAddress("127.0.0.1", agent.port)]
        for token in ("", "dwgw_x"):
            ask = ThroughGateway(listeners=listeners, token=token, deadline_s=20)
            assert (await ask(Request(method="GET", path="/"))).body == b"hello"
            assert "dwgw_x" not in repr(ask)
        shown = [item.fields.get(PROOF_HEADER.lower()) for item in agent.requests]
    assert shown == [None, "dwgw_x"]


async def test_by_hand_with_what_the_route_attaches() -> None:
    authority = Authority()
    leaf = authority.issue("spiffe://acme.example/gw")
    spec = TlsSpec(server_name="localhost", peers=("dns:localhost",), bundle_pem=authority.pem)
    identity = IdentitySpec(
        generation=1, key_pem=leaf.key_pem, chain_pem=leaf.chain_pem, spiffe_id="", not_after=0
    )
    context = server_context(authority.issue("localhost"), authority)
    with ScriptedUpstream(context, answering(lambda _: response(b"hello"))) as upstream:
        ask = ByHand(
            address=("127.0.0.1", upstream.port),
            authority="localhost",
            headers=[("Authorization", "Bearer canary")],
            trust=Trust(spec=spec, material=load_material(identity)),
            deadline_s=20,
        )
        assert (await ask(Request(method="GET", path="/"))).status == 200
        (received,) = upstream.requests
    assert received.serial == leaf.serial
    assert received.fields["authorization"] == "Bearer canary"
    assert "canary" not in repr(ask)


async def test_each_wait_has_an_end() -> None:
    def silent(conversation: Conversation) -> None:
        conversation.wait_gone()

    with PlainAgent(silent) as agent, black_hole() as hole:
        for port, reason in ((agent.port, "response_timeout"), (hole, "connect_timeout")):
            listeners = [TcpAddress("127.0.0.1", port)]
            ask = ThroughGateway(listeners=listeners, token="", deadline_s=0.3)
            with pytest.raises(Missed) as missed:
                await ask(Request(method="GET", path="/"))
            assert missed.value.failure.reason == reason
