"""Upstreams that can't be reached: 502 with the stage, after every address was tried."""

from __future__ import annotations

import json
import socket

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, digest, fixed, response


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _point_at(here: Lab, *ports: int) -> None:
    here.worker.change(upstream={"addresses": tuple(("127.0.0.1", port) for port in ports)})


def test_a_refused_connection(lab: StartLab) -> None:
    here = lab(answering(digest))
    _point_at(here, _closed_port())
    client = here.connect()
    for _ in range(2):
        answer = client.get()
        problem = json.loads(answer.body)
        assert (answer.status, problem["stage"]) == (502, "connect")
        assert "Connection refused" in problem["detail"]
    assert here.worker.stats().last_error


def test_the_second_address_is_tried_and_remembered(lab: StartLab) -> None:
    here = lab(answering(digest))
    _point_at(here, _closed_port(), here.upstream.port)
    assert here.connect().get().status == 200
    assert here.worker.stats().failures == {}


def test_every_address_is_tried_in_turn(lab: StartLab) -> None:
    here = lab(answering(digest))
    _point_at(here, _closed_port(), _closed_port(), here.upstream.port, _closed_port())
    assert here.connect().post(b"once").status == 200
    assert len(here.upstream.requests) == 1
    _point_at(here, _closed_port(), _closed_port(), _closed_port())
    here.worker.rotate()
    assert here.connect().get().status == 502


def test_an_address_that_fails_its_handshake_gives_way_to_the_next(
    lab: StartLab, authority: Authority
) -> None:
    context = server_context(authority.issue("elsewhere.example"), authority)
    with ScriptedUpstream(context, fixed(response(b"wrong"))) as wrong:
        here = lab(answering(digest))
        _point_at(here, wrong.port, here.upstream.port)
        assert here.connect().get().status == 200
        assert wrong.requests == []


def test_an_address_family_that_is_not_there_gives_way_to_the_next(lab: StartLab) -> None:
    here = lab(answering(digest))
    addresses = (("100::1", 9), ("127.0.0.1", here.upstream.port))
    here.worker.change(upstream={"addresses": addresses})
    assert here.connect().get().status == 200


def test_a_name_without_addresses(lab: StartLab) -> None:
    here = lab(answering(digest))
    here.worker.change(upstream={"addresses": (), "resolve_error": "no such host"})
    answer = here.connect().get()
    problem = json.loads(answer.body)
    assert (answer.status, problem["stage"], problem["detail"]) == (502, "dns", "no such host")
    assert answer.field("Retry-After")


def test_a_server_that_hangs_up_in_the_handshake(lab: StartLab) -> None:
    here = lab(answering(digest))
    with socket.create_server(("127.0.0.1", 0)) as rude:
        _point_at(here, rude.getsockname()[1])
        client = here.connect()
        client.send(client.head())
        rude.settimeout(5)
        accepted, _ = rude.accept()
        accepted.close()
        answer = client.read_response()
    assert (answer.status, json.loads(answer.body)["stage"]) == (502, "tls")
