"""What we accept, an independent parser reads as the same message; what we write, it accepts."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.wire.fields import parse_fields
from gateway.data_plane.wire.response import parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.data.vectors import EVERY_VECTOR, Vector
from tests.fakes.h11_reader import Message, read_request, read_response
from tests.fakes.request_reader import read_requests
from tests.fakes.routes import header_rules
from tests.fuzz.mutation import Edit
from tests.fuzz.test_targets import edits
from tests.property.effort import effort

OURS = {
    b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"authorization",
}  # fmt: skip
OUR_VIA = ((b"via", b"1.0 devwiz-gw"), (b"via", b"1.1 devwiz-gw"))


def check_requests(data: bytes) -> None:
    """h11 reads each request that we accept as we do, from the client's bytes and from ours."""
    reading = read_requests(data)
    for request, sent in zip(reading.requests, reading.sent, strict=True):
        theirs = read_request(data.removeprefix(b"\r\n"))  # an empty line, which h11 refuses
        data = theirs.rest
        ours = read_request(sent)
        assert ours.rest == b""
        assert ours.start == (request.method, request.target, b"1.1")
        assert theirs.start[0] == request.method
        assert theirs.start[1].endswith(request.target.lstrip(b"/*"))
        assert ours.body == theirs.body
        forwarded = parse_fields(b"".join(request.forwarded))
        assert fields_of_client(ours) == [(name.lower(), value) for name, value in forwarded]
        assert all(field in theirs.fields for field in fields_of_client(ours))
        hosts = [value for name, value in theirs.fields if name == b"host"]
        assert [host.lower() for host in hosts] == [request.host]
    if reading.verdict == "accept":
        assert data == b""


def fields_of_client(message: Message) -> list[tuple[bytes, bytes]]:
    return [field for field in message.fields if field[0] not in OURS and field not in OUR_VIA]


@pytest.mark.parametrize("vector", EVERY_VECTOR, ids=lambda vector: vector.name)
def test_h11_reads_every_accepted_vector_alike(vector: Vector) -> None:
    check_requests(vector.data)


@given(data=st.data())
@effort(400)
def test_h11_reads_every_accepted_edit_of_a_vector_alike(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(EVERY_VECTOR)).data
    for edit in data.draw(edits):
        message = edit.apply(message)
    check_requests(message)


TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=30).map(
    lambda raw: bytes(b for b in raw if b == 9 or 32 <= b != 127).strip(b" \t")
)
FRAMINGS = st.sampled_from(
    [b"", b"Content-Length: 5\r\n", b"content-length:  05 \r\n", b"Transfer-Encoding: chunked\r\n"]
)
PAYLOADS = {
    b"Transfer-Encoding: chunked\r\n": b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX: 1\r\n\r\n",
    b"": b"",
}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is well formed but for what its names and values may mean."""
    target = draw(st.sampled_from([b"/", b"/a?b=%2f", b"http://h/a", b"http://h", b"//a//b"]))
    line = b"%b %b HTTP/1.%d\r\n" % (draw(TOKENS), target, draw(st.integers(0, 1)))
    fields = b"".join(
        b"%b:%b%b\r\n" % (name, draw(st.sampled_from([b"", b" ", b"\t "])), value)
        for name, value in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=5))
    )
    framing = draw(FRAMINGS)
    head = line + b"Host: h\r\n" + fields + framing + b"\r\n"
    return head + PAYLOADS.get(framing, b"hello")


@given(messages=st.lists(requests(), min_size=1, max_size=3))
@effort(200)
def test_h11_reads_well_formed_requests_alike(messages: list[bytes]) -> None:
    check_requests(b"".join(messages))


@given(message=requests())
@effort(100)
def test_a_well_formed_request_is_accepted(message: bytes) -> None:
    reading = read_requests(message)
    if b"HTTP/1.0\r\n" in message and b"\r\nTransfer-Encoding: chunked\r\n" in message:
        assert reading.verdict == "ambiguous_length"
    else:
        assert reading.verdict == "accept"


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response, with a second one's beginning behind it."""
    status = draw(st.sampled_from([200, 201, 204, 206, 301, 304, 404, 500, 599]))
    reason = draw(st.sampled_from([b"", b" ", b" OK", b" \xc3\xa9\tx"]))
    line = b"HTTP/1.%d %d%b\r\n" % (draw(st.integers(0, 1)), status, reason)
    fields = b"".join(
        b"%b: %b\r\n" % field for field in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=5))
    )
    framing = draw(FRAMINGS)
    connection = draw(st.sampled_from([b"", b"Connection: close\r\n"]))
    return line + fields + framing + connection + b"\r\n" + PAYLOADS.get(framing, b"hello")


@given(
    message=responses(),
    changes=edits,
    method=st.sampled_from([b"GET", b"HEAD", b"POST"]),
    plain=st.booleans(),
)
@effort(400)
def test_h11_reads_an_accepted_response_alike(
    message: bytes, changes: list[Edit], method: bytes, plain: bool
) -> None:
    for change in [] if plain else changes:
        message = change.apply(message)
    rules = header_rules(redact=())
    end = message.find(b"\r\n\r\n") + 4
    try:
        response = parse_response_head(
            message[:end], method=method, client_minor=1, trailers=rules.trailers
        )
        rest = message[end:]
        body = b"" if response.body.done else response.body.feed(rest)
        last = response.body.end()
    except ProtocolViolation:
        assert not plain or b"HTTP/1.0" in message
        return
    if last is None or response.status == 101:
        return
    sent = rules.response_head(response, local=b"h", connection=b"") + body + last
    theirs = read_response(message, method=method, closed=True)
    ours = read_response(sent, method=method, closed=False)
    assert ours.start == (b"%d" % response.status, response.reason)
    assert theirs.start == ours.start
    assert ours.body == theirs.body
    assert ours.rest == b""


def test_the_oracle_itself_refuses() -> None:
    with pytest.raises(h11.RemoteProtocolError):
        read_request(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n")
