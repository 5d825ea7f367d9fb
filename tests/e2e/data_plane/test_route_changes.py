"""Snapshots that change or remove a route while requests are on their way."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import (
    Conversation,
    ScriptedUpstream,
    answering,
    echo,
    fixed,
    response,
)
from tests.fakes.worker_rig import PEER


def test_a_removed_route_finishes_what_it_carries_and_closes_its_port(lab: StartLab) -> None:
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        assert go.wait(5)
        conversation.send(response(b"late"))
        conversation.wait_gone()

    here = lab(script)
    busy, idle = here.connect(), here.connect()
    busy.send(busy.head())
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    here.worker.apply(())
    assert idle.ended()
    go.set()
    answer = busy.read_response()
    assert (answer.body, answer.field("Connection")) == (b"late", "close")
    assert busy.ended()
    with pytest.raises(ConnectionRefusedError):
        here.connect()


def test_another_far_side_gets_the_next_request_and_never_the_old_token(
    lab: StartLab, authority: Authority
) -> None:
    context = server_context(authority.issue("second.example", PEER), authority)
    with ScriptedUpstream(context, fixed(response(b"second"))) as second:
        here = lab(fixed(response(b"first")))
        client = here.connect()
        assert client.get().body == b"first"
        here.worker.change(
            upstream={
                "authority": "second.example",
                "addresses": (("127.0.0.1", second.port),),
            },
            tls={"peers": ("dns:second.example",)},
            headers=(("Authorization", "Bearer for-the-second"),),
        )
        assert client.get().body == b"second"
        assert second.requests[0].fields["host"] == "second.example"
        assert second.requests[0].fields["authorization"] == "Bearer for-the-second"


def test_a_request_whose_dial_hangs_goes_to_the_new_far_side_with_its_token(
    lab: StartLab, authority: Authority
) -> None:
    hold = threading.Event()

    class Slow(Conversation):
        def handshake(self) -> None:
            assert hold.wait(10)
            super().handshake()

    context = server_context(authority.issue("second.example"), authority)
    with ScriptedUpstream(context, fixed(response(b"second"))) as second:
        here = lab(fixed(response(b"first")))
        here.upstream.conversation = Slow
        client = here.connect()
        client.send(client.post_bytes(b"body", "/", "X-Extra: from-the-client"))
        here.upstream.wait_for(lambda upstream: upstream.accepted == 1)
        here.worker.change(
            upstream={
                "authority": "second.example",
                "addresses": (("127.0.0.1", second.port),),
            },
            tls={"peers": ("dns:second.example",)},
            headers=(("X-Extra", "ours"),),
        )
        hold.set()
        assert client.read_response().body == b"second"
        assert here.upstream.requests == []
        fields = second.requests[0].fields
        assert (fields["host"], fields["x-extra"]) == ("second.example", "ours")
        assert second.requests[0].head.count(b"X-Extra") == 1
        assert "authorization" not in fields
        assert second.requests[0].body == b"body"


def test_a_request_that_waits_for_a_renewal_takes_the_new_token(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.expire()
    client = here.connect()
    client.send(client.head())
    here.worker.wait_for(lambda _: here.worker.stats().active == 1)
    here.worker.identity = here.worker.new_identity(2)
    here.worker.change(headers=(("Authorization", "Bearer renewed"),))
    assert client.read_response().status == 200
    assert here.upstream.requests[0].fields["authorization"] == "Bearer renewed"


def test_a_request_that_waits_on_a_removed_route_is_told(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.expire()
    client = here.connect()
    client.send(client.head())
    here.worker.wait_for(lambda _: here.worker.stats().active == 1)
    here.worker.apply(())
    answer = client.read_response()
    assert (answer.status, json.loads(answer.body)["detail"]) == (503, "the route was removed")


def test_an_old_token_is_scrubbed_from_an_answer_that_comes_after_its_change(
    lab: StartLab,
) -> None:
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        received = conversation.read_request()
        assert received is not None
        assert go.wait(5)
        conversation.send(response(b"", f"X-Echo: {received.fields['authorization']}"))
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    client.send(client.head())
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    here.worker.change(headers=(("Authorization", "Bearer new"),), redact=("new",))
    go.set()
    assert client.read_response().field("X-Echo") == "Bearer [redacted]"


def test_a_listener_given_to_another_route_serves_it(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    assert client.get().status == 200
    here.worker.route = replace(here.worker.route, name="renamed", unavailable="not now")
    here.worker.change()
    assert json.loads(client.get().body)["route"] == "renamed"


def test_a_listener_may_be_added(lab: StartLab) -> None:
    here = lab(answering(echo))
    extra = here.worker.add_listener()
    here.worker.change(listeners=(*here.worker.route.listeners, extra))
    assert here.connect(listener=1).get().status == 200
    assert here.connect(listener=0).get().status == 200
