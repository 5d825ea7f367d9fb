"""The header firewall of a route, by tables. `tests/property/test_header_firewall.py` holds the
properties.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.scrub import REDACTED
from gateway.data_plane.wire.request import parse_request_head
from gateway.data_plane.wire.response import parse_response_head
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.fakes.routes import header_rules

LOCAL = b"127.0.0.1:8701"


def upstream_head(*fields: bytes, line: bytes = b"POST /a HTTP/1.1", **changes: Any) -> bytes:
    rules = header_rules(**changes)
    head = b"\r\n".join((line, b"Host: " + LOCAL, *fields, b"", b""))
    return rules.request_head(parse_request_head(head, rules.lines))


def client_head(
    *fields: bytes,
    line: bytes = b"HTTP/1.1 200 OK",
    method: bytes = b"GET",
    client_minor: int = 1,
    connection: bytes = b"",
    rules: HeaderRules | None = None,
) -> bytes:
    rules = rules or header_rules()
    head = b"\r\n".join((line, *fields, b"", b""))
    response = parse_response_head(
        head, method=method, client_minor=client_minor, trailers=rules.trailers
    )
    return rules.response_head(response, local=LOCAL, connection=connection)


def test_a_request_head_is_written_in_one_order() -> None:
    assert upstream_head(b"X-One: 1", b"content-length: 02", b"x-two:2") == (
        b"POST /a HTTP/1.1\r\nHost: agent.example\r\nX-One: 1\r\nx-two: 2\r\n"
        b"Via: 1.1 devwiz-gw\r\nContent-Length: 2\r\nAuthorization: Bearer s3cr3t-value\r\n\r\n"
    )


def test_an_old_client_is_lifted_to_http_1_1() -> None:
    head = upstream_head(line=b"GET http://127.0.0.1:8701/a?b HTTP/1.0")
    assert head.startswith(b"GET /a?b HTTP/1.1\r\nHost: agent.example\r\n")


@pytest.mark.parametrize(
    "field",
    [
        b"Authorization: Bearer mine",
        b"AUTHORIZATION: Bearer mine",
        b"authorization:",
        b"Proxy-Authorization: Basic mine",
        b"proxy_authorization: Basic mine",
        b"X-Api-Key: mine",
        b"x_api_key: mine",
        b"X-API_Key: mine",
        b"Cookie: mine=1",
        b"X-Forwarded-For: 1.2.3.4",
        b"x-forwarded-anything: mine",
        b"X_Forwarded_Proto: https",
        b"X-Forwarded-Client-Cert: mine",
        b"Forwarded: for=mine",
        b"X-Real-IP: 1.2.3.4",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"TE: trailers",
        b"Trailer: X-Sum",
        b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        b"Content_Length: 5",
        b"Content.Length: 5",
        b"transfer_encoding: chunked",
        b"Transfer--Encoding: chunked",
        b"X-Api~Key: mine",
        b"XApiKey: mine",
        b"Authorization_: mine",
        b"_cookie: mine=1",
        b"XForwardedFor: 1.2.3.4",
        b"Mcp_Method: tools/list",
        b"mcp_name: mine",
        b"Sec_Fetch_Site: none",
        b"Origin: http://127.0.0.1",
        b"Sec-Fetch-Site: same-origin",
        b"Upgrade: h2c",
        b"Connection: close",
        b"Connection: x-hop",
    ],
)
def test_a_field_about_hops_callers_or_framing_is_not_forwarded(field: bytes) -> None:
    assert upstream_head(field) == upstream_head()


@pytest.mark.parametrize(
    "field",
    [
        b"Accept: */*",
        b"Mcp-Method: tools/call",
        b"Mcp-Session-Id: 1",
        b"Traceparent: 00-1-2-03",
        b"Expect: 100-continue",
        b"my_field: 1",
        b"X-Api-Keys: 1",
        b"Last-Event-ID: 5",
    ],
)
def test_other_fields_are_forwarded_as_spelled(field: bytes) -> None:
    assert b"\r\n" + field + b"\r\n" in upstream_head(field)


@pytest.mark.parametrize(
    "spelling", [b"X-Team-Token", b"x_team_token", b"X-TEAM_token", b"x.team.token", b"XTeamToken"]
)
def test_the_routes_own_fields_replace_the_clients(spelling: bytes) -> None:
    own = (("x-team-token", "ours"),)
    head = upstream_head(spelling + b": theirs", headers=own)
    assert b"theirs" not in head
    assert head.endswith(b"x-team-token: ours\r\n\r\n")
    with pytest.raises(ProtocolViolation) as refused:
        upstream_head(b"Connection: " + spelling, headers=own)
    assert refused.value.reason == "bad_nomination"


def test_a_field_let_through_is_forwarded_in_its_own_spelling_only() -> None:
    head = upstream_head(
        b"Cookie: a=1",
        b"X-API-Key: b",
        b"x_api_key: c",
        pass_headers=("cookie", "x-api-key"),
        headers=(),
    )
    assert head.endswith(b"\r\nCookie: a=1\r\nX-API-Key: b\r\nVia: 1.1 devwiz-gw\r\n\r\n")


def test_a_route_never_passes_what_it_attaches() -> None:
    assert upstream_head(b"Authorization: mine", pass_headers=("authorization",)) == upstream_head()


def test_a_websocket_upgrade_is_written_anew() -> None:
    head = upstream_head(
        b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket", line=b"GET / HTTP/1.1"
    )
    assert head.count(b"pgrade") == 2
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in head


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket, h2c", b"TLS/1.0", b"x"])
def test_no_other_upgrade_is_asked_for(protocol: bytes) -> None:
    head = upstream_head(b"Connection: Upgrade", b"Upgrade: " + protocol, line=b"GET / HTTP/1.1")
    assert b"pgrade" not in head


@pytest.mark.parametrize(
    ("line", "field", "closes"),
    [
        (b"GET / HTTP/1.1", b"Content-Length: 5", True),
        (b"GET / HTTP/1.1", b"Transfer-Encoding: chunked", True),
        (b"HEAD / HTTP/1.1", b"Content-Length: 5", True),
        (b"GET / HTTP/1.1", b"Content-Length: 0", False),
        (b"GET / HTTP/1.1", b"X: 1", False),
        (b"POST / HTTP/1.1", b"Content-Length: 5", False),
        (b"DELETE / HTTP/1.1", b"Content-Length: 5", False),
    ],
)
def test_a_body_that_a_server_may_ignore_closes_its_connection(
    line: bytes, field: bytes, closes: bool
) -> None:
    assert (b"\r\nConnection: close\r\n" in upstream_head(field, line=line)) is closes


def test_a_response_head_is_written_in_one_order() -> None:
    head = client_head(
        b"Server: x",
        b"Connection: close, x-hop",
        b"X-Hop: 1",
        b"content-length: 02",
        b"Keep-Alive: timeout=5",
        line=b"HTTP/1.0 404 Not Here",
        connection=b"Connection: keep-alive\r\n",
    )
    assert head == (
        b"HTTP/1.1 404 Not Here\r\nServer: x\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
    )


def test_an_accepted_upgrade_is_told_on() -> None:
    head = client_head(
        b"Connection: upgrade", b"Upgrade: WebSocket", line=b"HTTP/1.1 101 Switching Protocols"
    )
    assert head.endswith(b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")


@pytest.mark.parametrize("protocol", [b"h2c", b"s3cr3t-value", b"websocket, s3cr3t-value"])
def test_no_other_upgrade_is_told_on(protocol: bytes) -> None:
    head = client_head(
        b"Connection: upgrade", b"Upgrade: " + protocol, line=b"HTTP/1.1 101 Switching Protocols"
    )
    assert head == b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.mark.parametrize(
    ("protocol", "connection", "said"),
    [
        (b"WebSocket", b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        (
            b"websocket",
            b"Connection: close\r\n",
            b"Connection: close\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
        (b"h2c", b"", b""),
    ],
)
def test_a_426_says_what_it_asks_for(protocol: bytes, connection: bytes, said: bytes) -> None:
    # RFC 9110 section 15.5.22; what can't be had here isn't asked for.
    head = client_head(
        b"Connection: close",
        b"Upgrade: " + protocol,
        b"Content-Length: 0",
        line=b"HTTP/1.1 426 Upgrade Required",
        connection=connection,
    )
    assert head == b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n%b\r\n" % said


def test_a_secret_in_the_reason_alone_is_replaced() -> None:
    head = client_head(b"X: 1", line=b"HTTP/1.1 401 s3cr3t-value")
    assert head.startswith(b"HTTP/1.1 401 [redacted]\r\nX: 1\r\n")


@pytest.mark.parametrize(
    ("location", "mapped"),
    [
        (b"https://agent.example/a", b"http://127.0.0.1:8701/a"),
        (b"https://agent.example", b"http://127.0.0.1:8701"),
        (b"https://agent.example?a=b", b"http://127.0.0.1:8701?a=b"),
        (b"https://agent.example:443/a#b", b"http://127.0.0.1:8701/a#b"),
        (b"HTTPS://Agent.Example/a", b"http://127.0.0.1:8701/a"),
        (b"/a", b"/a"),
        (b"https://agent.example.evil/a", b"https://agent.example.evil/a"),
        (b"https://agent.example@evil/a", b"https://agent.example@evil/a"),
        (b"https://agent.example:444/a", b"https://agent.example:444/a"),
        (b"https://agentxexample/a", b"https://agentxexample/a"),
        (b"http://agent.example/a", b"http://127.0.0.1:8701/a"),
        (b"http://agent.example:80/a", b"http://agent.example:80/a"),
        (b"http://agent.example:443/a", b"http://agent.example:443/a"),
        (b"ftp://agent.example/a", b"ftp://agent.example/a"),
        (
            b"https://login.example/?back=https://agent.example/a",
            b"https://login.example/?back=https://agent.example/a",
        ),
    ],
)
@pytest.mark.parametrize("name", [b"Location", b"content-location"])
def test_locations_of_the_upstream_lead_back_here(
    name: bytes, location: bytes, mapped: bytes
) -> None:
    head = client_head(name + b": " + location, line=b"HTTP/1.1 302 Found")
    assert b"\r\n%b: %b\r\n" % (name, mapped) in head


def test_an_upstream_on_another_port_is_mapped_with_that_port_only() -> None:
    rules = header_rules(authority="agent.example:8443")
    for location, mapped in (
        (b"https://agent.example:8443/a", b"http://127.0.0.1:8701/a"),
        (b"http://agent.example:8443/a", b"http://127.0.0.1:8701/a"),
        (b"http://agent.example/a", b"http://agent.example/a"),
        (b"https://agent.example/a", b"https://agent.example/a"),
        (b"https://agent.example:443/a", b"https://agent.example:443/a"),
    ):
        assert b": " + mapped + b"\r\n" in client_head(b"Location: " + location, rules=rules)


@pytest.mark.parametrize("name", [b"Link", b"LINK"])
@pytest.mark.parametrize(
    ("links", "mapped"),
    [
        (b"<https://agent.example/a>; rel=next", b"<http://127.0.0.1:8701/a>; rel=next"),
        (b"<https://agent.example>", b"<http://127.0.0.1:8701>"),
        (
            b"</a>; rel=prev, <https://agent.example/b>; rel=next,<http://agent.example/c>",
            b"</a>; rel=prev, <http://127.0.0.1:8701/b>; rel=next,<http://127.0.0.1:8701/c>",
        ),
        (b"<https://agent.example.evil/a>", b"<https://agent.example.evil/a>"),
        (
            b"<https://login.example/?back=https://agent.example/a>",
            b"<https://login.example/?back=https://agent.example/a>",
        ),
    ],
)
def test_links_to_the_upstream_lead_back_here(name: bytes, links: bytes, mapped: bytes) -> None:
    assert b"\r\n%b: %b\r\n" % (name, mapped) in client_head(name + b": " + links)


def test_an_echoed_secret_is_replaced_in_values() -> None:
    head = client_head(
        b"X-Echo: Bearer s3cr3t-value; s3cr3t-value",
        b"Location: https://agent.example/?t=s3cr3t-value",
        line=b"HTTP/1.1 401 bad token s3cr3t-value",
    )
    assert b"s3cr3t-value" not in head
    assert head == (
        b"HTTP/1.1 401 bad token [redacted]\r\nX-Echo: Bearer [redacted]; [redacted]\r\n"
        b"Location: http://127.0.0.1:8701/?t=[redacted]\r\nTransfer-Encoding: chunked\r\n\r\n"
    )


def test_a_secret_in_a_name_or_encoded_in_a_url_is_removed() -> None:
    head = client_head(
        b"X-s3cr3t-value: 1",
        b"Location: https://agent.example/?t=s3cr3t%2dvalue",
        b"X-Escaped: 100%25",
    )
    assert head == (
        b"HTTP/1.1 200 OK\r\nLocation: [redacted]\r\nX-Escaped: 100%25\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )


def test_an_interim_response_is_scrubbed_too() -> None:
    head = client_head(b"Link: </s3cr3t-value>", line=b"HTTP/1.1 103 Early Hints")
    assert head == b"HTTP/1.1 103 Early Hints\r\nLink: </[redacted]>\r\n\r\n"


def test_the_longest_secret_goes_first() -> None:
    rules = header_rules(redact=("abc", "abcdef"))
    assert b"X: [redacted]\r\n" in client_head(b"X: abcdef", rules=rules)


@pytest.mark.parametrize("secret", ["1", "HTTP", "200", "OK", "Content-Length", "chunked", "close"])
def test_a_short_secret_damages_neither_status_nor_framing(secret: str) -> None:
    rules = header_rules(redact=(secret,))
    closing = b"Connection: close\r\n"
    head = client_head(b"Content-Length: 111", b"X-A: y", rules=rules, connection=closing)
    line, *fields = head.split(b"\r\n")
    assert line.startswith(b"HTTP/1.1 200 ")
    assert fields == [b"X-A: y", b"Content-Length: 111", b"Connection: close", b"", b""]
    bodiless = client_head(b"Content-Length: 111", method=b"HEAD", rules=rules)
    assert b"\r\nContent-Length: 111\r\n" in bodiless
    chunked = client_head(b"Transfer-Encoding: chunked", rules=rules)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in chunked


@pytest.mark.parametrize("secret", ["red", "[", "[redacted]", "x[redacted]y"])
def test_a_secret_that_the_mark_holds_or_completes_is_removed_too(secret: str) -> None:
    rules = header_rules(redact=(secret, "!"))
    head = client_head(b"A: x!y", b"B: " + secret.encode(), b"C: fine", rules=rules)
    values = [line.partition(b": ")[2] for line in head.split(b"\r\n")[1:4]]
    assert not any(secret.encode() in value or b"!" in value for value in values)
    assert values[2] == b"fine"


def test_trailers_are_chosen_and_scrubbed() -> None:
    fields = [
        (b"X-Sum", b"s3cr3t-value"),
        (b"X-s3cr3t-value", b"1"),
        (b"Set-Cookie", b"a=1"),
        (b"Grpc-Status", b"0"),
    ]
    assert header_rules().trailers(fields) == b"X-Sum: " + REDACTED + b"\r\nGrpc-Status: 0\r\n"


def test_a_response_may_not_announce_trailers_or_another_way() -> None:
    head = client_head(b"Trailer: X-Sum", b'Alt-Svc: h3=":443"', b"Proxy-Authenticate: Basic")
    assert head == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


CHALLENGE = b'WWW-Authenticate: Bearer resource_metadata="https://agent.example/x", scope="a"'


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, b'WWW-Authenticate: Bearer scope="a"'),
        ({"auth": "passthrough"}, CHALLENGE),
        (
            {"auth": "passthrough", "rewrite_metadata": True},
            b'WWW-Authenticate: Bearer resource_metadata="http://%b/.well-known/'
            b'oauth-protected-resource?devwiz-gw-at=/x", scope="a"' % LOCAL,
        ),
        ({"ingress": True}, CHALLENGE),
    ],
)
def test_a_challenge_sends_a_client_for_a_token_only_where_it_may_bring_one(
    changes: dict[str, Any], line: bytes
) -> None:
    head = client_head(
        CHALLENGE, line=b"HTTP/1.1 401 Unauthorized", rules=header_rules(headers=(), **changes)
    )
    assert line + b"\r\n" in head


@pytest.mark.parametrize(
    ("target", "hidden"),
    [
        (b"/.well-known/oauth-protected-resource", True),
        (b"/.well-known/oauth-protected-resource/mcp?a", True),
        (b"/.well-known/oauth-authorization-server", True),
        (b"/.well-known/openid-configuration", True),
        (b"/.well-known/agent-card.json", False),
        (b"/mcp/.well-known/oauth-protected-resource", False),
    ],
)
def test_oauth_metadata_is_hidden_where_the_route_has_the_credentials(
    target: bytes, hidden: bool
) -> None:
    assert header_rules().hides(target) == hidden
    assert not header_rules(auth="passthrough").hides(target)
    assert not header_rules(ingress=True).hides(target)
