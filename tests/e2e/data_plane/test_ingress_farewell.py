"""An answer that ends with its connection ends with TLS's farewell, or nobody could tell it from a
cut one.
"""

from __future__ import annotations

import ssl

import pytest

from tests.e2e.data_plane.conftest import StartDoor
from tests.fakes.scripted_upstream import Conversation, answering, response


@pytest.mark.parametrize("size", [0, 1, 16_384, 12_000_000])
def test_a_slow_reader_of_an_old_client_s_answer(door: StartDoor, size: int) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(size))
        conversation.close()

    client = door(script).call()
    client.send(client.head(minor=0))
    client.is_quiet(0.1)
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert len(body) == size


def test_a_cut_answer_has_none(door: StartDoor) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        conversation.reset()

    client = door(script).call()
    client.send(client.head(minor=0))
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        client.read_to_end()


def test_a_refusal_in_the_middle_of_an_upload_is_read(door: StartDoor) -> None:
    here = door(answering(lambda _: response(b"no", status="413 Content Too Large")))
    client = here.call()
    client.send(client.head("/", "Host: again", method="POST"))
    client.send(bytes(100_000))
    assert client.read_to_end().startswith(b"HTTP/1.1 400 ")
