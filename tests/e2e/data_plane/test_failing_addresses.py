"""One of several addresses fails: requests go on at the others, none of them is sent twice, and the
address is used again when it has recovered.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from gateway.data_plane.balance import FAILURES
from gateway.ipc.snapshot import LimitsSpec
from tests.fakes.authority import Authority, server_context
from tests.fakes.black_hole import black_hole
from tests.fakes.fleet import Fleet
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import (
    Conversation,
    ScriptedUpstream,
    answering,
    digest,
    fixed,
    response,
    wait_until,
)

GOOD = [answering(digest), answering(digest)]
QUICK = LimitsSpec(connect_timeout_s=3.0)


def _hang_up(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.reset()


def _cut_in_the_body(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nno more")
    conversation.reset()


def test_one_that_is_not_there(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        closed: int = sock.getsockname()[1]
    with Fleet(authority, GOOD, more_ports=[closed]) as fleet:
        assert fleet.posts(fleet.connect(), 20) == {200: 20}
        assert fleet.ejected() == {closed}
        assert fleet.worker.stats().ejections == {"unreachable": 1}
        assert any(f"127.0.0.1:{closed} is left out" in line for line in fleet.log())
        fleet.assert_once()


def test_one_that_swallows_what_is_sent_to_it(authority: Authority) -> None:
    with black_hole() as hole, Fleet(authority, GOOD, more_ports=[hole], limits=QUICK) as fleet:
        with ThreadPoolExecutor(6) as agents:
            statuses = list(agents.map(lambda _: fleet.post(fleet.connect()).status, range(12)))
        assert statuses == [200] * 12
        assert fleet.ejected() == {hole}
        assert fleet.worker.stats().ejections == {"connect_timeout": 1}
        fleet.assert_once()


def test_one_that_never_shakes_hands(authority: Authority) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Fleet(authority, GOOD, more_ports=[silent.getsockname()[1]], limits=QUICK) as fleet,
    ):
        assert fleet.posts(fleet.connect(), 10) == {200: 10}
        assert fleet.worker.stats().ejections == {"tls_timeout": 1}
        fleet.assert_once()


def test_one_with_another_name(authority: Authority) -> None:
    stranger = server_context(authority.issue("elsewhere.example"), authority)
    with (
        ScriptedUpstream(stranger, fixed(response(b"no"))) as wrong,
        Fleet(authority, GOOD, more_ports=[wrong.port]) as fleet,
    ):
        assert fleet.posts(fleet.connect(), 10) == {200: 10}
        assert wrong.requests == []
        assert fleet.ejected() == {wrong.port}


def test_when_none_will_do_the_one_that_came_farthest_is_told_of(authority: Authority) -> None:
    stranger = server_context(authority.issue("elsewhere.example"), authority)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        closed: int = sock.getsockname()[1]
    with (
        ScriptedUpstream(stranger, fixed(response(b"no"))) as wrong,
        Fleet(authority, [], more_ports=[closed, wrong.port]) as fleet,
    ):
        answer = fleet.post(fleet.connect())
        problem = json.loads(answer.body)
        assert (answer.status, problem["stage"]) == (502, "peer")
        assert f"no better: connecting to 127.0.0.1:{closed} failed" in problem["detail"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_one_that_answers_with_errors(authority: Authority, status: int) -> None:
    failing = fixed(response(b"no", status=f"{status} No"))
    with Fleet(authority, [failing, *GOOD]) as fleet:
        client = fleet.connect()
        seen = fleet.posts(client, 3 * FAILURES)
        assert seen == {200: 2 * FAILURES, status: FAILURES}
        assert fleet.posts(client, 12) == {200: 12}
        assert fleet.ejected() == {fleet.upstreams[0].port}
        assert fleet.worker.stats().ejections == {f"status_{status}": 1}
        fleet.assert_once()


@pytest.mark.parametrize("status", [400, 404, 429, 501])
def test_errors_that_say_nothing_of_the_address(authority: Authority, status: int) -> None:
    refusing = fixed(response(b"no", status=f"{status} No"))
    with Fleet(authority, [refusing, *GOOD]) as fleet:
        assert fleet.posts(fleet.connect(), 30)[status] == 10
        assert fleet.ejected() == set()


@pytest.mark.parametrize("script", [_hang_up, _cut_in_the_body])
def test_one_that_breaks_off(authority: Authority, script: Callable[[Conversation], None]) -> None:
    with Fleet(authority, [script, *GOOD]) as fleet:
        for _ in range(3 * FAILURES):
            with suppress(Truncated, ConnectionResetError):
                fleet.post(fleet.connect())
        assert fleet.ejected() == {fleet.upstreams[0].port}
        assert fleet.posts(fleet.connect(), 9) == {200: 9}
        fleet.assert_once()


def test_half_of_them_stay_in_whatever_they_answer(authority: Authority) -> None:
    failing = fixed(response(b"no", status="503 No"))
    with Fleet(authority, [failing] * 4) as fleet:
        client = fleet.connect()
        assert fleet.posts(client, 60) == {503: 60}
        assert len(fleet.ejected()) == 2


def test_the_only_one_is_never_left_out(authority: Authority) -> None:
    failing = fixed(response(b"no", status="503 No"))
    with Fleet(authority, [failing]) as fleet:
        assert fleet.posts(fleet.connect(), 20) == {503: 20}
        assert fleet.worker.stats().ejections == {}


def test_bytes_as_they_are_go_to_one_that_is_there(authority: Authority) -> None:
    def echoing(conversation: Conversation) -> None:
        while data := conversation.read():
            conversation.send(data)
        conversation.close()

    with black_hole() as hole, Fleet(authority, [echoing] * 2, limits=QUICK) as fleet:
        ports = [hole, *(upstream.port for upstream in fleet.upstreams)]
        addresses = tuple(("127.0.0.1", port) for port in ports)
        fleet.worker.change(upstream={"addresses": addresses}, tls={"alpn": ()}, kind="tcp")
        clients = [fleet.connect() for _ in range(9)]
        for client in clients:
            client.send(b"bytes")
        for client in clients:
            assert client.read_exactly(5) == b"bytes"
        assert fleet.ejected() == {hole}
        assert sorted(upstream.accepted for upstream in fleet.upstreams) == [4, 5]


def test_one_that_recovers_is_used_again(authority: Authority) -> None:
    broken = threading.Event()
    broken.set()

    def moody(conversation: Conversation) -> None:
        while conversation.read_request() is not None:
            if broken.is_set():
                conversation.send(response(b"", "Connection: close", status="503 No"))
                return
            conversation.send(response(b""))

    with Fleet(authority, [moody, *GOOD]) as fleet:
        client = fleet.connect()
        fleet.posts(client, 3 * FAILURES)
        mine = fleet.upstreams[0]
        assert fleet.ejected() == {mine.port}
        broken.clear()
        wait_until(lambda: fleet.post(client).status == 200 and not fleet.ejected(), 30)
        before = len(mine.requests)
        assert fleet.posts(client, 9) == {200: 9}
        assert len(mine.requests) == before + 3
        assert any(f":{mine.port} is used again" in line for line in fleet.log())
        fleet.assert_once()
