"""The verdicts of published suites against ours, each difference with its reason."""

from __future__ import annotations

import pytest

from gateway.data_plane.wire.fields import folded, parse_fields
from tests.data.vectors import EVERY_VECTOR, GUNICORN, HTTP_DESYNC_GUARDIAN, Vector
from tests.fakes.request_reader import read_requests

REFUSED_THERE = {"invalid", "severe", "ambiguous"}

_TOKEN = "RFC 9110 allows any token as a method, and it has no second reading"
_STRIPPED = "the field is never forwarded, so nobody behind can read it"
_CLOSED = "framed by RFC 9112, and the upstream's connection is closed behind it"
# What they refuse and we pass on.
LOOSER = {
    "invalid/003c": _TOKEN,
    "invalid/019": _STRIPPED,
    "invalid/040": _STRIPPED,
    "invalid/041": "neither field frames, routes or authenticates; the agent judges",
    "invalid/chunked_07": _STRIPPED,
    "ambiguous: Transfer_Encoding": _STRIPPED,
    "ambiguous: Content_Length": _STRIPPED,
    "ambiguous: GET with a length": _CLOSED,
    "ambiguous: GET with an encoding": _CLOSED,
    "ambiguous: HEAD with a length": _CLOSED,
    "ambiguous: HEAD with an encoding": _CLOSED,
    "ambiguous: multiple hyphens": _STRIPPED,
    "ambiguous: multiple underscores": _STRIPPED,
    "invalid: HTTP protocol and ANNOUNCE method": _TOKEN,
    "invalid: Invalid method": _TOKEN,
}

_HOST = "a request without Host can't be told from one by a rebound name"
_CODINGS = "only 'chunked' alone: the next hop might know fewer codings"
_REPEATED = "two framing fields, which others join or choose from"
_SPACE = "a blank before a colon is refused, not removed"
_FOLDED = "a folded line is refused, not joined"
_CONTROL = "a control byte in a field ends a line for some readers"
_PROXY = "no listener speaks the PROXY protocol"
_VERSION = "only HTTP/1.0 and HTTP/1.1, spelled exactly"
_TARGET = "a target holds visible ASCII only, and neither fragment nor backslash"
# What they accept and we refuse.
STRICTER = {
    "valid/001 as sent": _HOST,
    "valid/005": _TARGET,
    "valid/006": _HOST,
    "valid/009": "an encoding and a length in one message",
    "valid/013": "blanks in a chunk line hide its end from some readers",
    "valid/025": _REPEATED,
    "valid/025_line": _CODINGS,
    "valid/027": _TARGET,
    "valid/028": _SPACE,
    "valid/029": _REPEATED,
    "valid/compat_obs_fold": _FOLDED,
    "valid/030": _REPEATED,
    "valid/pp_01": _PROXY,
    "valid/pp_02": _PROXY,
    "valid/pp_04": _PROXY,
    "valid/pp_05": _PROXY,
    "valid/rfc9112_smuggle_gzip_chunked_01": _CODINGS,
    "valid/rfc9112_smuggle_te_identity_chunked_01": _CODINGS,
    "valid/rfc9112_target_absolute_https_01": "the listener speaks plain HTTP",
    "valid/rfc9112_target_absolute_userinfo_01": "RFC 9110 section 4.2.4 bans userinfo",
    "valid/rfc9112_target_authority_connect_01": "CONNECT is not forwarded",
    "valid/rfc9112_target_authority_ipv6_01": "CONNECT is not forwarded",
    "acceptable: blank behind a harmless name": _SPACE,
    "acceptable: control byte in a harmless name": _CONTROL,
    "bad-header-characters: harmless value": _CONTROL,
    "acceptable: HTTP/0.9": _VERSION,
    "acceptable: no version": _VERSION,
    "acceptable: HTTP/1.2": _VERSION,
    "uri: blank behind the version": _VERSION,
    "uri: blank in the target": "a second blank in the request line",
    "compliant: encodings before chunked": _CODINGS,
    "compliant: chunked with a parameter": _CODINGS,
    "compliant: URL with every mark": _TARGET,
    "compliant: bytes beyond ASCII in the target": _TARGET,
    "connection: Sample": "a nominated field whose name is a credential's must stay",
    "method: M-SEARCH request": "'*' is for OPTIONS",
    "method: SOURCE request with ICE": _VERSION,
    "method: OPTIONS request with RTSP": _VERSION,
    "method: ANNOUNCE request with RTSP": _VERSION,
    "sample: No HTTP version": _VERSION,
    "transfer-encoding: POST with chunked as last transfer-encoding": _CODINGS,
    "transfer-encoding: POST with chunked as last transfer-encoding (multiple headers)": _REPEATED,
    "uri: Quotes in URI": _TARGET,
    "uri: Fragment in URI": _TARGET,
    "uri: host:port and basic auth": "RFC 9110 section 4.2.4 bans userinfo",
    "compliant: empty target": "a target has at least one character",
}


@pytest.mark.parametrize("vector", EVERY_VECTOR, ids=lambda vector: vector.name)
def test_each_vector_has_the_verdict_on_record(vector: Vector) -> None:
    assert read_requests(vector.data).verdict == vector.ours


def test_what_others_refuse_and_we_pass_on_is_listed_with_its_reason() -> None:
    looser = {v.like for v in EVERY_VECTOR if v.theirs in REFUSED_THERE and v.ours == "accept"}
    assert looser == set(LOOSER)


def test_what_others_accept_and_we_refuse_is_listed_with_its_reason() -> None:
    stricter = {
        v.like for v in EVERY_VECTOR if v.theirs not in REFUSED_THERE and v.ours != "accept"
    }
    assert stricter == set(STRICTER)


def test_every_severe_case_is_refused() -> None:
    severe = [v for v in HTTP_DESYNC_GUARDIAN if v.theirs == "severe"]
    assert len(severe) > 40
    assert {v.name for v in severe if v.ours in {"accept", "wait"}} == set()


@pytest.mark.parametrize(
    "vector",
    [v for v in EVERY_VECTOR if v.like.startswith(("ambiguous: GET", "ambiguous: HEAD"))],
    ids=lambda vector: vector.name,
)
def test_a_body_that_a_server_may_ignore_ends_the_upstream_connection(vector: Vector) -> None:
    (sent,) = read_requests(vector.data).sent
    assert b"\r\nConnection: close\r\n" in sent


@pytest.mark.parametrize(
    "vector",
    [v for v in EVERY_VECTOR if any(mark in v.data for mark in (b"_", b"--", b"__"))],
    ids=lambda vector: vector.name,
)
def test_no_look_alike_of_a_framing_field_goes_upstream(vector: Vector) -> None:
    for sent in read_requests(vector.data).sent:
        fields = parse_fields(sent[sent.index(b"\r\n") + 2 : sent.index(b"\r\n\r\n") + 2])
        alike = {b"contentlength": b"content-length", b"transferencoding": b"transfer-encoding"}
        for name, _ in fields:
            assert name.lower() == alike.get(folded(name), name.lower())


def test_a_request_in_a_body_is_not_a_request() -> None:
    (vector,) = [v for v in GUNICORN if v.like == "valid/020"]
    assert [request.target for request in read_requests(vector.data).requests] == [b"/tasks"]
