"""Whatever a client sends, the upstream sees exactly the configured credentials; whatever an
upstream sends, the client doesn't see them.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire.fields import Field, parse_fields
from gateway.data_plane.wire.request import parse_request_head
from gateway.data_plane.wire.response import parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.fakes.request_reader import read_requests
from tests.fakes.routes import header_rules
from tests.property.effort import effort

ALWAYS_OURS = (
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "cookie",
    "forwarded",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-client-cert",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "http2-settings",
    "origin",
    "sec-fetch-site",
)
CONFIGURABLE = ("Authorization", "X-Api-Key", "Cookie", "x-team", "Team-Secret-Id")
HARMLESS = ("accept", "x-note", "traceparent", "mcp-session-id")
THEIRS = b"theirs"
PUNCTUATION = ("", "", "", "-", "_", "--", ".", "!", "~", "'", "-_")
# Lines that some reader takes for another one, or for two.
TRICKS = (
    b" Authorization: theirs",
    b"\tAuthorization: theirs",
    b"Authorization : theirs",
    b"Authorization\t: theirs",
    b"X-Note: 1\nAuthorization: theirs",
    b"X-Note: 1\rAuthorization: theirs",
    b"X-Note: 1\r\n\tAuthorization: theirs",
    b"X-Note: \x00Authorization: theirs",
    b"\x00Authorization: theirs",
    b"Authorization\xa0: theirs",
    b"Author\xc4\xb1zation: theirs",
    b": theirs",
    b"Authorization",
)
LINES = (
    b"GET / HTTP/1.1",
    b"GET / HTTP/1.0",
    b"POST http://h/a HTTP/1.1",
    b"HEAD HTTP://h HTTP/1.0",
)


@st.composite
def spelled(draw: st.DrawFn, name: str) -> bytes:
    """`name` in some case and with any punctuation, in some places or none."""
    marks = st.sampled_from(PUNCTUATION)
    letters = [draw(st.sampled_from((c.lower(), c.upper()))) for c in name]
    if draw(st.booleans()):
        return "".join(draw(st.sampled_from("-_")) if c == "-" else c for c in letters).encode()
    return "".join(draw(marks) if c == "-" else c + draw(marks) for c in letters).encode()


@st.composite
def client_fields(draw: st.DrawFn, configured: tuple[str, ...]) -> list[Field]:
    """Fields that try to bring, hide or strip a credential."""
    name = st.sampled_from(ALWAYS_OURS + configured + HARMLESS).flatmap(spelled)
    value = st.sampled_from((b"", b", x", b"\t=1")).map(lambda end: THEIRS + end)
    fields = draw(st.lists(st.tuples(name, value), max_size=6))
    options = st.sampled_from((b"close", b"keep-alive", b"te", b"x-note"))
    nominated = st.one_of(options, st.sampled_from(HARMLESS + configured).flatmap(spelled))
    lists = draw(st.lists(st.lists(nominated, max_size=3), max_size=2))
    fields += [(b"Connection", b", ".join(names)) for names in lists]
    return draw(st.permutations(fields))


def folded(name: bytes) -> str:
    return "".join(char for char in name.decode().lower() if char.isalnum())


def fields_of(head: bytes) -> list[Field]:
    return parse_fields(head[head.index(b"\r\n") + 2 : head.index(b"\r\n\r\n") + 2])


def joined(fields: list[Field]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


names_configured = st.lists(st.sampled_from(CONFIGURABLE), unique=True, max_size=3).map(tuple)


@given(data=st.data(), configured=names_configured)
@effort(300)
def test_the_upstream_sees_exactly_the_configured_credentials(
    data: st.DataObject, configured: tuple[str, ...]
) -> None:
    own = tuple((name, f"ours-{index}") for index, name in enumerate(configured))
    rules = header_rules(headers=own)
    fields = data.draw(client_fields(configured))
    head = data.draw(st.sampled_from(LINES)) + b"\r\nHost: h\r\n" + joined(fields) + b"\r\n"
    try:
        sent = rules.request_head(parse_request_head(head, rules.lines))
    except ProtocolViolation as violation:
        assert violation.reason in {"bad_nomination", "repeated_field"}  # noqa: PT017
        return
    written = fields_of(sent)
    protected = {folded(name.encode()) for name in (*configured, *ALWAYS_OURS)}
    harmless = {folded(name.encode()) for name in HARMLESS}
    assert [field for field in written if folded(field[0]) in protected] == [
        (name.encode(), value.encode()) for name, value in own
    ]
    assert all(folded(name) in harmless for name, value in written if value.startswith(THEIRS))
    assert [value for name, value in written if folded(name) == "host"] == [b"agent.example"]
    assert b"connection" not in {name.lower() for name, _ in written}


@given(data=st.data(), configured=names_configured, trick=st.sampled_from(TRICKS))
@effort(100)
def test_a_line_of_two_readings_is_refused(
    data: st.DataObject, configured: tuple[str, ...], trick: bytes
) -> None:
    rules = header_rules(headers=tuple((name, "ours") for name in configured))
    lines = [b"%b: %b" % field for field in data.draw(client_fields(configured))]
    lines.insert(data.draw(st.integers(0, len(lines))), trick)
    line = data.draw(st.sampled_from(LINES))
    head = b"\r\n".join((line, b"Host: h", *lines, b"", b""))
    try:
        parse_request_head(head, rules.lines)
    except ProtocolViolation as violation:
        assert violation.reason in {"bad_field", "repeated_field"}  # noqa: PT017
    else:
        raise AssertionError(head)


@given(data=st.data(), configured=names_configured.filter(bool))
@effort(100)
def test_a_nominated_credential_is_refused(
    data: st.DataObject, configured: tuple[str, ...]
) -> None:
    rules = header_rules(headers=tuple((name, "ours") for name in configured))
    nominated = data.draw(st.sampled_from(configured).flatmap(spelled))
    head = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, " + nominated + b"\r\n\r\n"
    try:
        parse_request_head(head, rules.lines)
    except ProtocolViolation as violation:
        assert violation.reason == "bad_nomination"  # noqa: PT017
    else:
        raise AssertionError(nominated)


@given(data=st.data(), configured=names_configured)
@effort(100)
def test_no_trailer_of_a_client_goes_upstream(
    data: st.DataObject, configured: tuple[str, ...]
) -> None:
    rules = header_rules(headers=tuple((name, "ours") for name in configured))
    trailer = [
        field for field in data.draw(client_fields(configured)) if field[1].startswith(THEIRS)
    ]
    stream = (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
        + joined(trailer)
        + b"\r\n"
    )
    reading = read_requests(stream, rules)
    assert reading.verdict == "accept"
    assert THEIRS not in reading.sent[0]
    assert reading.sent[0].endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")


visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
secrets = st.lists(
    st.one_of(visible, st.sampled_from(["1", "OK", "0", "e", ":", "HTTP/1.1", "[", "redacted"])),
    min_size=1,
    max_size=4,
).map(tuple)


@st.composite
def echoing_fields(draw: st.DrawFn, hidden: tuple[str, ...]) -> list[Field]:
    """Fields of an upstream that knows the secrets and hides them in its values."""
    secret = st.sampled_from(hidden)
    encoded = secret.map(lambda text: "".join(f"%{ord(char):02x}" for char in text))
    marks = st.sampled_from(["[", "]", " ", "[redacted]", "%25", "%"])
    part = st.one_of(visible, secret, encoded, secret.map(quote), marks)
    value = st.lists(part, max_size=5).map(lambda parts: "".join(parts).strip().encode())
    token = secret.map(lambda text: "x-" + "".join(char for char in text if char.isalnum()))
    names = st.one_of(
        st.sampled_from([b"X-Echo", b"Location", b"Content-Type", b"Set-Cookie", b"x-1"]),
        token.map(str.encode),
    )
    return draw(st.lists(st.tuples(names, value), max_size=4))


def response_head(rules: HeaderRules, head: bytes, method: bytes) -> tuple[bytes, int]:
    """The head for the client, and how many fields of it the upstream chose."""
    response = parse_response_head(head, method=method, client_minor=1, trailers=rules.trailers)
    sent = rules.response_head(response, local=b"h", connection=b"Connection: close\r\n")
    return sent, len(response.forwarded)


@given(
    data=st.data(),
    hidden=secrets,
    status=st.sampled_from([b"200", b"101", b"304", b"404"]),
    framing=st.sampled_from([b"", b"Content-Length: 1101\r\n", b"Transfer-Encoding: chunked\r\n"]),
    method=st.sampled_from([b"GET", b"HEAD"]),
)
@effort(300)
def test_a_client_never_sees_a_secret_and_always_the_framing(
    data: st.DataObject, hidden: tuple[str, ...], status: bytes, framing: bytes, method: bytes
) -> None:
    framing = b"" if status == b"101" else framing
    fields = data.draw(echoing_fields(hidden))
    reason = data.draw(st.sampled_from(["OK", *hidden])).encode()
    head = b"HTTP/1.1 %b %b\r\n%b%b\r\n" % (status, reason, joined(fields), framing)
    sent, _ = response_head(header_rules(redact=hidden), head, method)
    plain, count = response_head(header_rules(redact=()), head, method)
    line, _, _ = sent.partition(b"\r\n")
    assert line.startswith(b"HTTP/1.1 %b " % status)
    framing_lines = fields_of(plain)[count:]
    written = fields_of(sent)
    theirs = written[: len(written) - len(framing_lines)]
    assert written[len(theirs) :] == framing_lines
    shown = [line[len(b"HTTP/1.1 200 ") :], *(b"%b: %b" % field for field in theirs)]
    check_shown(shown, hidden)
    assert kept_back(fields, theirs, hidden) == []


def check_shown(shown: list[bytes], hidden: tuple[str, ...]) -> None:
    for text in (*shown, *map(unquote_to_bytes, shown)):
        assert not any(secret.encode() in text for secret in hidden)


def kept_back(fields: list[Field], written: list[Field], hidden: tuple[str, ...]) -> list[bytes]:
    """Names of fields that are missing although they don't show a secret."""
    names = [name for name, _ in written]
    return [
        name
        for name, _ in fields
        if name not in names and not any(secret.encode() in name + b": [" for secret in hidden)
    ]


@given(data=st.data(), hidden=secrets)
@effort(100)
def test_a_client_never_sees_a_secret_in_a_trailer(
    data: st.DataObject, hidden: tuple[str, ...]
) -> None:
    fields = data.draw(echoing_fields(hidden))
    written = parse_fields(header_rules(redact=hidden).trailers(fields))
    check_shown([b"%b: %b" % field for field in written], hidden)
    allowed = [field for field in fields if field[0].startswith((b"x", b"X"))]
    assert kept_back(allowed, written, hidden) == []


@given(data=st.data())
@effort(50)
def test_values_without_a_secret_are_left_alone(data: st.DataObject) -> None:
    fields = data.draw(echoing_fields(("harmless",)))
    head = b"HTTP/1.1 200 OK\r\n" + joined(fields) + b"\r\n"
    guarded, _ = response_head(header_rules(redact=("s3cr3t-value-long",)), head, b"GET")
    assert guarded == response_head(header_rules(redact=()), head, b"GET")[0]
