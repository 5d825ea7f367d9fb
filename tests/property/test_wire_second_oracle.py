"""What we accept, llhttp in its strict mode reads as the same message: no framing passes here that
it refuses. The first oracle is h11, in `test_wire_oracle.py`.
"""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.wire.response import parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.data.vectors import EVERY_VECTOR, RESPONSES, ResponseVector, Vector
from tests.fakes import llhttp_reader
from tests.fakes.h11_reader import read_request
from tests.fakes.request_reader import read_requests
from tests.fakes.routes import header_rules
from tests.fuzz.test_targets import edits
from tests.property.effort import effort

# It knows no others.
METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}


def check_requests(data: bytes) -> None:
    reading = read_requests(data)
    for request, raw, sent in zip(reading.requests, reading.raw, reading.sent, strict=True):
        # A tab beside "chunked" is a blank to RFC 9110 and to us, and no blank to llhttp; behind an
        # upgrade it reads nothing.
        if request.method not in METHODS or b"\t" in raw or b"upgrade" in raw.lower():
            continue
        theirs, ours = (llhttp_reader.read_request(message) for message in (raw, sent))
        assert theirs.target.endswith(request.target.lstrip(b"/*"))
        assert ours.target == request.target
        assert ours.body == theirs.body == read_request(sent).body


@pytest.mark.parametrize("vector", EVERY_VECTOR, ids=lambda vector: vector.name)
def test_llhttp_reads_every_accepted_vector_alike(vector: Vector) -> None:
    check_requests(vector.data)


@given(data=st.data())
@effort(300)
def test_llhttp_reads_every_accepted_edit_of_a_vector_alike(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(EVERY_VECTOR)).data
    for edit in data.draw(edits):
        message = edit.apply(message)
    check_requests(message)


def check_response(data: bytes) -> None:
    end = data.find(b"\r\n\r\n") + 4
    try:
        response = parse_response_head(
            data[:end], method=b"GET", client_minor=1, trailers=header_rules().trailers
        )
        body = response.body
        if not body.done:
            body.feed(data[end:])
            end = len(data) - len(body.leftover)
    except ProtocolViolation:
        return
    if not body.done or response.status < 200 or b"\t" in data:
        return
    llhttp_reader.read_response(data[:end])


@pytest.mark.parametrize("vector", RESPONSES, ids=lambda vector: vector.what)
def test_llhttp_finds_the_end_of_every_accepted_response(vector: ResponseVector) -> None:
    check_response(vector.data)


@given(data=st.data())
@effort(300)
def test_llhttp_finds_the_end_of_every_accepted_edit_of_a_response(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(RESPONSES)).data
    for edit in data.draw(edits):
        message = edit.apply(message)
    check_response(message)


def test_the_oracle_itself_refuses() -> None:
    with pytest.raises(httptools.HttpParserError):
        llhttp_reader.read_request(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n")
    with pytest.raises(httptools.HttpParserError):
        llhttp_reader.read_response(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")
