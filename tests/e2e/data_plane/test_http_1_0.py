"""Old clients and old servers."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, answering, chunks


def test_a_chunked_response_is_unwrapped_for_an_http_1_0_client(lab: StartLab) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"abc", b"defg")
    here = lab(answering(lambda _: answer))
    client = here.connect()
    client.send(client.head("/", "Connection: keep-alive", minor=0))
    response = client.read_response()
    assert response.body == b"abcdefg"
    assert response.field("Transfer-Encoding") is None
    assert response.field("Connection") == "close"
    assert here.connect().get().body == b"abcdefg"
    assert here.upstream.accepted == 1


def test_a_cut_chunked_response_resets_an_http_1_0_client(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        conversation.close()

    client = lab(script).connect()
    client.send(client.head(minor=0))
    with pytest.raises(ConnectionResetError):
        client.read_response()


def test_an_http_1_0_server_s_response_is_passed_on_and_its_connection_not_kept(
    lab: StartLab,
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        conversation.wait_gone()

    here = lab(script)
    client = here.connect()
    for _ in range(2):
        assert client.get().body == b"ok"
    assert here.upstream.accepted == 2
