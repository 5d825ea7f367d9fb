"""What isn't exactly HTTP/1.1 is answered with the status and the reason that fit, its connection
is closed, and the upstream never hears of it.
"""

from __future__ import annotations

import json

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import field_of
from tests.fakes.scripted_upstream import answering, echo

BODY = "Content-Length: 5"


@pytest.mark.parametrize(
    ("line", "fields", "status", "reason", "says"),
    [
        ("POST / HTTP/1.1", [BODY, "Transfer-Encoding: chunked"], 400, "bad_request", "Length"),
        ("POST / HTTP/1.1", [BODY, BODY], 400, "bad_request", "more than once"),
        ("POST / HTTP/1.1", ["Transfer-Encoding: gzip"], 400, "bad_request", "chunked"),
        (
            "POST / HTTP/1.1",
            ["Transfer-Encoding: gzip, chunked"],
            501,
            "unknown_encoding",
            "besides",
        ),
        ("POST / HTTP/1.1", ["Content-Length: +5"], 400, "bad_request", "not a number"),
        ("POST / HTTP/1.0", ["Transfer-Encoding: chunked"], 400, "bad_request", "HTTP/1.0"),
        ("GET / HTTP/1.1", ["X : 1"], 400, "bad_request", "name: value"),
        ("GET / HTTP/1.1", ["X: 1", " folded"], 400, "bad_request", "name: value"),
        ("GET / HTTP/1.1", ["Connection: close, host"], 400, "bad_request", "nominates"),
        ("GET / HTTP/2.0", [], 505, "unknown_version", "HTTP/1.1"),
        ("GET / HTTP/1.2", [], 505, "unknown_version", "HTTP/1.1"),
        ("GET / HTTP/11.1", [], 400, "bad_request", "request line"),
        ("GET / http/1.1", [], 400, "bad_request", "request line"),
        ("GET / HTTP/1.1", ["X: 1"] * 128, 431, "head_too_large", "128"),
        ("GET http://evil.example/ HTTP/1.1", [], 400, "bad_request", "authority"),
        ("GET /a%00b HTTP/1.1", [], 400, "bad_request", "NUL"),
        ("CONNECT evil.example:443 HTTP/1.1", [], 403, "refused_method", "CONNECT"),
        ("TRACE / HTTP/1.1", [], 403, "refused_method", "TRACE"),
        ("get / HTTP/1.1", [], 403, "refused_method", "small letters"),
        ("POST / HTTP/1.1", [BODY, "Expect: 200-ok"], 417, "bad_expectation", "100-continue"),
    ],
)
def test_a_refused_request(
    lab: StartLab, line: str, fields: list[str], status: int, reason: str, says: str
) -> None:
    here = lab(answering(echo))
    client = here.connect()
    head = "\r\n".join([line, f"Host: {client.host}", *fields, "", ""])
    client.send(head.encode() + b"hello" + client.head("/canary"))
    answer = client.read_head()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert field_of(answer, "Connection") == "close"
    problem = json.loads(client.read_to_end())
    assert problem["type"].endswith(f":{reason}")
    assert says in problem["detail"]
    (logged,) = here.worker.access_log(1)
    assert (logged["status"], logged["reason"]) == (status, reason)
    assert here.upstream.accepted == 0
