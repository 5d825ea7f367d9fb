"""Bodies pass unchanged in both directions, however they are cut into pieces on the way."""

from __future__ import annotations

import random

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import Conversation, answering, chunks, echo


def _pieces(data: bytes, chance: random.Random, most: int) -> list[bytes]:
    pieces = []
    while data:
        size = chance.randint(1, most)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@pytest.mark.parametrize("seed", range(4))
def test_uploads_in_random_splits(lab: StartLab, seed: int) -> None:
    here = lab(answering(echo))
    chance = random.Random(seed)
    client = here.connect()
    for _ in range(20):
        body = chance.randbytes(chance.randint(0, 5000))
        if chance.random() < 0.5:
            request = client.post_bytes(body)
        else:
            request = client.head("/", "Transfer-Encoding: chunked", method="POST")
            request += chunks(*_pieces(body, chance, 700))
        for piece in _pieces(
            request, chance, chance.choice([1, 40, 4000]) if len(request) < 2000 else 4000
        ):
            client.send(piece)
        assert client.read_response().body == body


@pytest.mark.parametrize("seed", range(4))
def test_downloads_in_random_splits(lab: StartLab, seed: int) -> None:
    chance = random.Random(seed)
    bodies = [chance.randbytes(chance.randint(0, 4000)) for _ in range(20)]

    def script(conversation: Conversation) -> None:
        for body in bodies:
            assert conversation.read_request() is not None
            if chance.random() < 0.5:
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            else:
                answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                answer += chunks(*_pieces(body, chance, 500))
            for piece in _pieces(answer, chance, 900):
                conversation.send_segmented(piece, chance.randint(200, 1000))
        conversation.wait_gone()

    client = lab(script).connect()
    assert [client.get().body for _ in bodies] == bodies


def test_a_chunked_download_in_chunks_of_one_byte_and_records_of_one_byte(lab: StartLab) -> None:
    body = bytes(range(256))

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conversation.send_each(chunks(*(body[at : at + 1] for at in range(256))))
        conversation.wait_gone()

    assert lab(script).connect().get().body == body


def test_a_response_head_in_segments_of_one_byte(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send_segmented(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1)
        conversation.wait_gone()

    assert lab(script).connect().get().body == b"ok"


def test_empty_chunked_bodies(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    for _ in range(2):
        client.send(client.head("/", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n")
        assert client.read_response().body == b""
    assert here.upstream.accepted == 1


def test_chunk_extensions_are_dropped_and_the_body_is_kept(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(
        client.head("/", "Transfer-Encoding: chunked", method="POST")
        + b'5;name="value"\r\nhello\r\n006\r\n world\r\n0;last\r\n\r\n'
    )
    assert client.read_response().body == b"hello world"
