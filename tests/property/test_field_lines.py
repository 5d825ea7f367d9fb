"""A remembered field line makes no difference: a head reads the same whatever was read before."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire import response as wire_response
from gateway.data_plane.wire.fields import Field, FieldLines, NameTable, field_lines, parse_fields
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.response import ResponseHead, parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.compiled import attributes_of
from tests.data.vectors import EVERY_VECTOR
from tests.fakes.routes import header_rules
from tests.fuzz.test_targets import edits
from tests.property.effort import effort

HEADS = tuple(vector.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for vector in EVERY_VECTOR)
# Spellings and values that mean different things, or look as if they didn't.
NAMES = (
    b"Host", b"Content-Length", b"content-length", b"Content_Length", b"Transfer-Encoding",
    b"Connection", b"connection", b"Upgrade", b"Origin", b"Sec-Fetch-Site", b"Mcp-Method",
    b"Mcp-Name", b"Mcp-Session-Id", b"Authorization", b"authorization", b"Cookie", b"X-Api-Key",
    b"X-Devwiz-Gw-Token", b"TE", b"Via", b"X-One", b"x-one", b"x_one", b"Content-Type",
    b"Location", b"Set-Cookie", b"X One", b"",
)  # fmt: skip
VALUES = (
    b"", b" ", b"1", b" 1", b"1 ", b"01", b"5", b"h", b"H", b"close", b"keep-alive, x-one",
    b"x-one", b"authorization", b"Upgrade", b"websocket", b"chunked", b"Chunked", b"gzip",
    b"none", b"http://a", b"text/event-stream", b"https://agent.example/a", b"s3cr3t-value",
    b"a\x00", b"a\rb", b"\x80\xff", b"\tab\t", b"ab", b"AB", b"ab ",
)  # fmt: skip

lines_of_heads = st.one_of(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from((b":", b": ", b" : ")), st.sampled_from(VALUES)
    ).map(b"".join),
    st.sampled_from((b"", b" folded", b"no colon")),
)
sections = st.lists(lines_of_heads, max_size=6)


@st.composite
def request_heads(draw: st.DrawFn) -> bytes:
    """A head of the vectors with edits, or one of lines on which much depends."""
    if draw(st.booleans()):
        head = draw(st.sampled_from(HEADS))
        for edit in draw(edits):
            head = edit.apply(head)
        return head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    line = draw(st.sampled_from((b"GET / HTTP/1.1", b"POST /a HTTP/1.1", b"GET / HTTP/1.0")))
    host = draw(st.sampled_from(([b"Host: h"], [b"host:H"], [])))
    return b"\r\n".join((line, *host, *draw(sections), b"", b""))


@st.composite
def response_heads(draw: st.DrawFn) -> bytes:
    """A response head of the same lines."""
    status = draw(st.sampled_from((b"200 OK", b"101 Switching", b"304", b"204 s3cr3t-value")))
    line = b"HTTP/1.%d %b" % (draw(st.integers(0, 1)), status)
    return b"\r\n".join((line, *draw(sections), b"", b""))


def attributes(head: RequestHead | ResponseHead) -> dict[str, object]:
    """All that a head says, bodies by what they are like."""
    said: dict[str, object] = {name: getattr(head, name) for name in attributes_of(head)}
    body = head.body
    said["body"] = (type(body), body.framing, body.done)
    said["forwarded"] = tuple(head.forwarded)
    return said


def request_reading(head: bytes, rules: HeaderRules) -> object:
    """All that comes of a head: what it says and what the upstream gets, or the refusal."""
    try:
        request = parse_request_head(head, rules.lines)
    except ProtocolViolation as violation:
        return violation.reason, violation.status, violation.detail
    said = attributes(request)
    return said, rules.request_head(request)


def response_reading(head: bytes, rules: HeaderRules) -> object:
    """Likewise for a response and the client."""
    try:
        response = parse_response_head(head, method=b"GET", client_minor=1, trailers=rules.trailers)
    except ProtocolViolation as violation:
        return violation.reason, violation.status, violation.detail
    said = attributes(response)
    return said, rules.response_head(response, local=b"h", connection=b"")


def forget_responses() -> None:
    wire_response._LINES.clear()
    wire_response._LINES._values.clear()


passed = st.sampled_from(((), ("cookie",), ("cookie", "x-one"), ("via",)))
attached = st.sampled_from(((), (("Authorization", "Bearer ours"),), (("X-One", "ours"),)))


@given(
    head=request_heads(),
    others=st.lists(request_heads(), max_size=6),
    pass_headers=passed,
    headers=attached,
)
@effort(300)
def test_a_request_reads_the_same_with_a_cold_and_a_warm_memory(
    head: bytes,
    others: list[bytes],
    pass_headers: tuple[str, ...],
    headers: tuple[tuple[str, str], ...],
) -> None:
    def fresh() -> HeaderRules:
        return header_rules(pass_headers=pass_headers, headers=headers)

    cold = request_reading(head, fresh())
    own = fresh()
    assert [request_reading(head, own) for _ in range(3)] == [cold] * 3
    warm = fresh()
    for other in others:
        request_reading(other, warm)
    assert [request_reading(head, warm) for _ in range(2)] == [cold] * 2


@given(head=request_heads(), number=st.integers(0, 1100), others=st.lists(request_heads()))
@effort(30)
def test_a_request_reads_the_same_with_a_full_memory(
    head: bytes, number: int, others: list[bytes]
) -> None:
    rules = header_rules()
    for other in others:
        request_reading(other, rules)
    for count in range(number):
        rules.lines[b"x-%d: 1" % count]
    cold = request_reading(head, header_rules())
    assert [request_reading(head, rules) for _ in range(2)] == [cold] * 2
    assert len(rules.lines) <= 1024


@given(
    head=response_heads(),
    others=st.lists(response_heads(), max_size=6),
    redact=st.sampled_from(((), ("s3cr3t-value",), ("1",))),
)
@effort(300)
def test_a_response_reads_the_same_with_a_cold_and_a_warm_memory(
    head: bytes, others: list[bytes], redact: tuple[str, ...]
) -> None:
    rules, of_another_route = header_rules(redact=redact), header_rules(redact=("http", "a"))
    forget_responses()
    cold = response_reading(head, rules)
    assert [response_reading(head, rules) for _ in range(2)] == [cold] * 2
    forget_responses()
    for other in (*others, head):
        response_reading(other, of_another_route)
    assert [response_reading(head, rules) for _ in range(2)] == [cold] * 2


def read_by_line(section: bytes, lines: FieldLines) -> list[Field] | None:
    """The fields of a section by its lines, each checked for how it is passed on."""
    try:
        head = b"a line before\r\n%b\r\n" % section
        read = [(text, lines[text]) for text in field_lines(head.split(b"\r\n"))]
    except ProtocolViolation:
        return None
    fields = [(text[: text.index(b":")], value) for text, (_, value, _) in read]
    assert [ready for _, (_, _, ready) in read] == [b"%b: %b\r\n" % field for field in fields]
    assert [code for _, (code, _, _) in read] == [len(name) for name, _ in fields]
    return fields


def read_at_once(section: bytes) -> list[Field] | None:
    fields = None
    with suppress(ProtocolViolation):
        fields = parse_fields(section)
    return fields


@given(
    parts=st.lists(
        st.sampled_from(
            (b"a", b"A", b"-", b":", b" ", b"\t", b"\r\n", b"\r", b"\n", b"a: b\r\n", b"\x00",
             b"\x0b", b"\x7f", b"\x80", b"\x85", b'"', b"(", b"a" * 300)
        ),
        max_size=12,
    )
)  # fmt: skip
@example(parts=[b"a: b\r\n"] * 128)
@example(parts=[b"a: b\r\n"] * 129)
@effort(400)
def test_a_section_read_by_its_lines_reads_as_at_once(parts: list[bytes]) -> None:
    """Two readers that share no pattern: the one for trailers, and the one with the memory."""
    section = b"".join(parts)
    if section:
        section = section.removesuffix(b"\r\n") + b"\r\n"
    if section == b"\r\n":
        return  # a head ends at its first empty line: this section has no lines
    lines = FieldLines(NameTable(len), frozenset((1, 2, 3)))
    expected = read_at_once(section)
    assert [read_by_line(section, lines) for _ in range(2)] == [expected] * 2
