"""While a refused request waits for other credentials, everything else goes on as it does."""

from __future__ import annotations

import json

from gateway.ipc.frames import Kind
from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.refusing_upstream import (
    NEW,
    OLD,
    attached,
    refusal,
    renew,
    until_asked,
    welcoming,
)
from tests.fakes.scripted_upstream import Conversation


def _waiting(here: Lab) -> RawClient:
    client = here.connect()
    client.send(client.head("/x"))
    until_asked(here.worker)
    return client


def test_a_client_that_goes_away_is_not_missed(lab: StartLab) -> None:
    gone: list[str] = []

    def script(conversation: Conversation) -> None:
        while conversation.read_request() is not None:
            conversation.send(refusal())
            gone.append(conversation.wait_gone())
            return

    here = lab(script, route=attached(OLD))
    _waiting(here).close()
    here.upstream.wait_for(lambda _: len(gone) == 1)
    renew(here.worker)
    (line,) = here.worker.access_log(1)
    assert (line["reason"], line["token_refreshed"]) == ("client_closed", False)
    assert len(here.upstream.requests) == 1
    assert here.worker.stats().unauthorized == {}


def test_a_drain_lets_the_refusal_go(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = _waiting(here)
    here.worker.drain()
    assert client.read_response().status == 401
    assert here.worker.wait_exit() == 0


def test_a_worker_that_is_replaced_goes_on_waiting(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = _waiting(here)
    here.worker.send(Kind.RETIRE, json.dumps({"deadline_s": None}).encode())
    renew(here.worker)
    assert client.read_response().status == 200
    assert here.worker.wait_exit() == 0


def test_a_route_that_is_removed_lets_the_refusal_go(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = _waiting(here)
    here.worker.apply(())
    assert client.read_response().status == 401


def test_a_reload_that_leaves_the_credentials_alone(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD))
    client = _waiting(here)
    here.worker.change(pass_headers=("x-a",))
    here.worker.rotate()
    renew(here.worker)
    assert client.read_response().status == 200
    first, second = here.upstream.requests
    assert first.serial != second.serial, "it went out with the certificate of then"


def test_an_upstream_that_closes_behind_its_refusal(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            if received.fields["authorization"].endswith(NEW):
                welcome = b"HTTP/1.1 204 No Content\r\n\r\n"
                conversation.send(welcome)
                continue
            conversation.send(refusal(b"bye", "Connection: close"))
            conversation.close()
            return

    here = lab(script, route=attached(OLD))
    client = _waiting(here)
    renew(here.worker)
    assert client.read_response().status == 204


def test_the_only_connection_that_a_route_may_have(lab: StartLab) -> None:
    here = lab(welcoming(NEW), route=attached(OLD), limits=LimitsSpec(max_upstream_connections=1))
    client = _waiting(here)
    renew(here.worker)
    assert client.read_response().status == 200
