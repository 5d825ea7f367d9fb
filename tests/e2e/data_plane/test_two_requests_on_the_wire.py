"""Behind every vector, from a client or from an upstream, the next request and its answer are what
they would be without it: a real worker, mutual TLS, exact bytes.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gateway.data_plane.headers import HeaderRules
from tests.data.vectors import EVERY_VECTOR, RESPONSES
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.recording_reader import RecordingReader
from tests.fakes.scripted_upstream import Conversation, Script
from tests.fakes.two_requests import CANARY, REFUSALS, VICTIM, expected, upstream_answer


def recording(ledger: list[bytes]) -> Script:
    """Answers each request with its target, and keeps its bytes."""

    def script(conversation: Conversation) -> None:
        reader = RecordingReader()
        while data := conversation.read():
            for request in reader.feed(data):
                ledger.append(request.raw)
                conversation.send(upstream_answer(request.method, request.target))
            assert not reader.problem

    return script


def attack(here: Lab, stream: bytes, size: int, ledger: list[bytes]) -> None:
    """Send the stream in pieces, and see that what is answered and forwarded is what it holds."""
    wanted = expected(stream, HeaderRules(here.worker.route))
    with here.worker.connect() as attacker:
        for at in range(0, len(stream), size):
            try:
                attacker.send(stream[at : at + size])
            except ConnectionError:
                break  # refused by now
        answers = b"".join(wanted.answers)
        assert attacker.read_exactly(len(answers)) == answers
        if wanted.refuses:
            assert attacker.read_head().startswith(REFUSALS)
        assert tuple(ledger) == wanted.sent


def ask_as_victim(here: Lab) -> bytes:
    """Another client's request; what goes upstream for it."""
    wanted = expected(VICTIM, HeaderRules(here.worker.route))
    with here.worker.connect() as victim:
        victim.send(VICTIM)
        assert victim.read_exactly(len(wanted.answers[0])) == wanted.answers[0]
    return wanted.sent[0]


@pytest.mark.parametrize("size", [1, 1 << 20], ids=["byte by byte", "whole"])
def test_behind_every_request(lab: StartLab, tmp_path: Path, size: int) -> None:
    ledger: list[bytes] = []
    # On a Unix socket any Host is accepted.
    here = lab(recording(ledger), unix_socket=tmp_path / "s")
    for vector in EVERY_VECTOR:
        ledger.clear()
        try:
            attack(here, vector.data + CANARY, size, ledger)
            assert ask_as_victim(here) == ledger[-1]
        except AssertionError as error:
            raise AssertionError(vector.name) from error


def test_behind_every_response(lab: StartLab, tmp_path: Path) -> None:
    sent = threading.Event()

    def script(conversation: Conversation) -> None:
        while (request := conversation.read_request()) is not None:
            if request.target.startswith("/attack-"):
                conversation.send(RESPONSES[int(request.target[8:])].data)
                sent.set()
            else:
                answer = upstream_answer(request.method.encode(), request.target.encode())
                conversation.send(answer)

    here = lab(script, unix_socket=tmp_path / "s")
    for number, vector in enumerate(RESPONSES):
        ask_as_victim(here)  # so that the attack comes on a kept connection
        sent.clear()
        with here.worker.connect() as attacker:
            attacker.send(attacker.head(f"/attack-{number}", method=vector.method.decode()))
            assert sent.wait(10)
            try:
                ask_as_victim(here)
            except AssertionError as error:
                raise AssertionError(vector.what) from error
