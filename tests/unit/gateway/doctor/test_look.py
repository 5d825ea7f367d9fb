"""What a server shows before anything is configured."""

from __future__ import annotations

import pytest

from gateway.control_plane.resolver import look_up
from gateway.doctor.look import Shown, Unseen, look
from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import ScriptedUpstream
from tests.fakes.stack import free_port

pytestmark = pytest.mark.may_block("servers in threads")

_AUTHORITY = Authority("the one")


async def _seen(*names: str, host: str = "127.0.0.1") -> Shown:
    context = server_context(_AUTHORITY.issue(*names), _AUTHORITY)
    with ScriptedUpstream(context, lambda _: None) as upstream:
        found = await look(host, upstream.port, lookup=look_up, deadline_s=20)
    assert isinstance(found, Shown)
    return found


async def test_a_workload_is_seen_although_it_wants_a_certificate() -> None:
    found = await _seen("spiffe://acme.example/agent/planner")
    assert found.names == ("spiffe://acme.example/agent/planner",)
    assert not found.is_of_host
    assert found.text.startswith("spiffe://acme.example/agent/planner, issued by CN=the one until ")


async def test_a_host_of_that_name() -> None:
    found = await _seen("localhost", host="localhost")
    assert (found.names, found.is_of_host) == (("dns:localhost",), True)
    assert not (await _seen("localhost")).is_of_host


async def test_names_that_no_route_can_expect_are_left_out() -> None:
    assert (await _seen("*.example.com")).names == ()
    assert (await _seen("a.example", "b.example")).names == ("dns:a.example", "dns:b.example")


async def test_nothing_to_see() -> None:
    found = await look("127.0.0.1", free_port(), lookup=look_up, deadline_s=20)
    assert isinstance(found, Unseen)
    assert "connection refused" in found.why
    with AgentServer(None) as plaintext:
        found = await look("127.0.0.1", plaintext.port, lookup=look_up, deadline_s=20)
    assert found == Unseen("it shows no certificate: is that a TLS port?")
