"""Whatever a client sends, the upstream sees exactly the configured credentials; whatever an
upstream sends, the client doesn't see them.
"""

from __future__ import annotations

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
    "via",
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


@st.composite
def spelled(draw: st.DrawFn, name: str) -> bytes:
    """`name` in some case, with `-` and `_` swapped at will."""
    letters = [draw(st.sampled_from((c.lower(), c.upper()))) for c in name]
    return "".join(draw(st.sampled_from("-_")) if c in "-_" else c for c in letters).encode()


@st.composite
def client_fields(draw: st.DrawFn, configured: tuple[str, ...]) -> list[Field]:
    """Fields that try to bring, hide or strip a credential."""
    name = st.sampled_from(ALWAYS_OURS + configured + HARMLESS).flatmap(spelled)
    value = st.sampled_from((b"", b", x", b"\t=1")).map(lambda end: THEIRS + end)
    fields = draw(st.lists(st.tuples(name, value), max_size=6))
    nominated = st.sampled_from(("close", "keep-alive", "te", "x-note", *configured))
    lists = draw(st.lists(st.lists(nominated, max_size=3), max_size=2))
    fields += [(b"Connection", ", ".join(names).encode()) for names in lists]
    return draw(st.permutations(fields))


def folded(name: bytes) -> str:
    return name.decode().lower().replace("_", "-")


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
    head = b"GET / HTTP/1.1\r\nHost: h\r\n" + joined(fields) + b"\r\n"
    try:
        sent = rules.request_head(parse_request_head(head, rules.lines))
    except ProtocolViolation as violation:
        assert violation.reason in {"bad_nomination", "repeated_field"}  # noqa: PT017
        return
    written = fields_of(sent)
    ours = {folded(name.encode()) for name in configured}
    protected = ours | set(ALWAYS_OURS)
    assert [field for field in written if folded(field[0]) in protected] == [
        (name.encode(), value.encode()) for name, value in own
    ]
    assert all(folded(name) in HARMLESS for name, value in written if value.startswith(THEIRS))
    assert [value for name, value in written if folded(name) == "host"] == [b"agent.example"]
    assert b"connection" not in {name.lower() for name, _ in written}


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
    part = st.one_of(
        visible, st.sampled_from(hidden), st.sampled_from(["[", "]", " ", "[redacted]"])
    )
    value = st.lists(part, max_size=5).map(lambda parts: "".join(parts).strip().encode())
    names = st.sampled_from([b"X-Echo", b"Location", b"Content-Type", b"Set-Cookie", b"x-1"])
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
    sent, count = response_head(header_rules(redact=hidden), head, method)
    plain, _ = response_head(header_rules(redact=()), head, method)
    line, _, _ = sent.partition(b"\r\n")
    assert line.startswith(b"HTTP/1.1 %b " % status)
    written, unscrubbed = fields_of(sent), fields_of(plain)
    assert [name for name, _ in written] == [name for name, _ in unscrubbed]
    assert written[count:] == unscrubbed[count:]
    for value in (line[len(b"HTTP/1.1 200 ") :], *(value for _, value in written[:count])):
        assert not any(secret.encode() in value for secret in hidden)


@given(data=st.data(), hidden=secrets)
@effort(100)
def test_a_client_never_sees_a_secret_in_a_trailer(
    data: st.DataObject, hidden: tuple[str, ...]
) -> None:
    fields = data.draw(echoing_fields(hidden))
    written = parse_fields(header_rules(redact=hidden).trailers(fields))
    assert [name for name, _ in written] == [
        name for name, _ in fields if name.startswith((b"x", b"X"))
    ]
    for _, value in written:
        assert not any(secret.encode() in value for secret in hidden)


@given(data=st.data())
@effort(50)
def test_values_without_a_secret_are_left_alone(data: st.DataObject) -> None:
    fields = data.draw(echoing_fields(("harmless",)))
    head = b"HTTP/1.1 200 OK\r\n" + joined(fields) + b"\r\n"
    guarded, _ = response_head(header_rules(redact=("s3cr3t-value-long",)), head, b"GET")
    assert guarded == response_head(header_rules(redact=()), head, b"GET")[0]
