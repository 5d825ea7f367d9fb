"""Limits that are reached: an answer, no spinning, and service again afterwards."""

from __future__ import annotations

import json
import time

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import answering, echo, wait_until


def test_one_connection_too_many_gets_503(lab: StartLab) -> None:
    here = lab(answering(echo), limits=LimitsSpec(max_connections=2))
    first, second = here.connect(), here.connect()
    assert (first.get().status, second.get().status) == (200, 200)
    third = here.connect()
    answer = third.read_response()
    assert (answer.status, answer.field("Connection")) == (503, "close")
    assert answer.field("Retry-After")
    assert third.ended()
    first.close()
    wait_until(lambda: _status(here.connect()) == 200)
    assert second.get().status == 200


def _status(client: RawClient) -> int:
    client.send(client.head())
    return client.read_response().status


def test_running_out_of_descriptors_for_clients_does_not_spin(lab: StartLab) -> None:
    here = lab(answering(echo), descriptors=24)
    first = here.connect()
    assert first.get().status == 200
    crowd = [here.connect() for _ in range(40)]
    time.sleep(0.1)
    before = here.worker.cpu()
    time.sleep(0.5)
    assert here.worker.cpu() - before < 0.1
    assert first.get().status == 200
    for client in crowd:
        client.close()
    assert here.connect().get().status == 200


def test_running_out_of_descriptors_for_the_upstream_is_a_503(lab: StartLab) -> None:
    here = lab(answering(echo), descriptors=24)
    first = here.connect()
    crowd = [here.connect() for _ in range(40)]
    time.sleep(0.1)
    answer = first.get()
    assert (answer.status, json.loads(answer.body)["detail"]) == (503, "no socket: EMFILE")
    assert answer.field("Retry-After")
    for client in crowd:
        client.close()
    wait_until(lambda: first.get().status == 200)
