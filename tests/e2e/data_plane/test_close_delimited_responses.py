"""A response that ends with its connection: complete only after a TLS farewell."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def _farewell(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(HEAD + b"first ")
    conversation.send(b"last")
    conversation.close()


def _cut(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(HEAD + b"first ")
    conversation.cut()


def test_it_becomes_chunked_and_the_client_s_connection_is_kept(lab: StartLab) -> None:
    client = lab(_farewell).connect()
    for _ in range(2):
        answer = client.get()
        assert answer.body == b"first last"
        assert answer.field("Transfer-Encoding") == "chunked"


def test_an_http_1_0_client_gets_it_as_it_is(lab: StartLab) -> None:
    client = lab(_farewell).connect()
    client.send(client.head(minor=0))
    answer = client.read_response()
    assert answer.body == b"first last"
    assert answer.field("Transfer-Encoding") is None


def test_a_cut_one_is_never_completed(lab: StartLab) -> None:
    client = lab(_cut).connect()
    with pytest.raises(Truncated) as caught:
        client.get()
    assert caught.value.got == b"first "


def test_a_cut_one_resets_an_http_1_0_client(lab: StartLab) -> None:
    client = lab(_cut).connect()
    client.send(client.head(minor=0))
    with pytest.raises(ConnectionResetError):
        client.read_response()
