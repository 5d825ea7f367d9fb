"""A Unix socket serves like a port; any well-formed Host is fine there."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, answering, echo


def test_requests_over_a_unix_socket(lab: StartLab, tmp_path: Path) -> None:
    here = lab(answering(echo), unix_socket=tmp_path / "planner.sock")
    client = here.connect()
    for host in ("localhost", "planner", "anything.example:1"):
        client.host = host
        assert client.post(b"hello").body == b"hello"
    assert client.get("/", "Origin: http://evil.example").status == 403


def test_a_vanished_client_is_noticed(lab: StartLab, tmp_path: Path) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        ends.append(conversation.wait_gone())

    here = lab(script, unix_socket=tmp_path / "planner.sock")
    client = here.connect()
    client.send(client.head())
    here.upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
    client.close()
    here.upstream.wait_for(lambda _: len(ends) == 1)
