"""New connections of a tcp route show the new certificate; old ones live as long as theirs."""

from __future__ import annotations

import time

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, wait_until

TCP = {"kind": "tcp", "tls": {"alpn": ()}}


def serial_and_echo(conversation: Conversation) -> None:
    conversation.send(b"%x\n" % conversation.serial)
    while data := conversation.read():
        conversation.send(data)
    conversation.close()


def serial_of(client: RawClient) -> int:
    return int(client.read_until(b"\n"), 16)


def test_a_new_connection_shows_the_new_certificate(lab: StartLab) -> None:
    here = lab(serial_and_echo, route=TCP)
    old = here.connect()
    assert serial_of(old) == here.worker.serial
    for _ in range(3):
        serial = here.worker.rotate()
        assert serial_of(here.connect()) == serial
    old.send(b"still here")
    assert old.read_exactly(10) == b"still here"
    assert here.worker.stats().connections == {"1": 1, "2": 1, "3": 1, "4": 1}


def test_a_connection_ends_with_its_certificate(lab: StartLab) -> None:
    here = lab(serial_and_echo, route=TCP)
    not_after = time.time() + 1.2
    here.worker.rotate(not_after=not_after)
    client = here.connect()
    serial_of(client)
    here.worker.rotate()
    with pytest.raises(ConnectionResetError):
        client.read_to_end()
    assert not_after <= time.time() < not_after + 1.5
    assert here.worker.access_log(1)[0]["reason"] == "certificate_expired"


def test_a_caller_waits_for_the_renewal_of_an_expired_certificate(lab: StartLab) -> None:
    here = lab(serial_and_echo, route=TCP)
    here.worker.expire()
    client = here.connect()
    client.send(b"early")
    wait_until(lambda: here.worker.stats().active == 1)
    assert here.upstream.accepted == 0
    serial = here.worker.rotate()
    assert serial_of(client) == serial
    assert client.read_exactly(5) == b"early"


def test_a_drain_lets_it_end_by_itself_and_cuts_it_at_the_deadline(lab: StartLab) -> None:
    here = lab(serial_and_echo, route=TCP)
    ending, staying = here.connect(), here.connect()
    serial_of(ending)
    serial_of(staying)
    here.worker.drain(deadline_s=1.0)
    ending.send(b"bye")
    ending.half_close()
    assert ending.read_to_end() == b"bye"
    with pytest.raises(ConnectionResetError):
        staying.read_to_end()
    assert here.worker.wait_exit() == 0
