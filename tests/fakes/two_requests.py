"""What a stream of requests has to come to, for an upstream that answers each with its target."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire.request import RequestHead
from tests.fakes.request_reader import read_requests

CANARY = b"GET /canary HTTP/1.1\r\nHost: h\r\nX-Canary: 1\r\n\r\n"
VICTIM = b"POST /victim HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nX-Name: victim\r\n\r\nvictim"
#: How the answer to a refused request begins.
REFUSALS = (b"HTTP/1.1 4", b"HTTP/1.1 501 ", b"HTTP/1.1 505 ")
#: With it an answer is passed on as it is.
DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a stream comes to.

    Attributes:
        sent: the whole requests as they go upstream.
        answers: what the client gets for each.
        refuses: whether the gateway itself answers what is behind them, or may.
        begins: whether one more request may have been begun upstream.
    """

    sent: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    refuses: bool = False
    begins: bool = False


def expected(stream: bytes, rules: HeaderRules) -> Expected:
    """On a connection where every Host is accepted and no Origin."""
    reading = read_requests(stream, rules)
    sent: tuple[bytes, ...] = ()
    answers: tuple[bytes, ...] = ()
    for request, written in zip(reading.requests, reading.sent, strict=True):
        if request.origin is not None or request.fetch_site is not None:
            return Expected(sent=sent, answers=answers, refuses=True)
        sent += (written,)
        answers += (answer_to(request),)
        if not request.keep_alive:
            return Expected(sent=sent, answers=answers)
    verdict = reading.verdict
    refuses = verdict not in {"accept", "wait"}
    return Expected(sent=sent, answers=answers, refuses=refuses, begins=verdict != "accept")


def answer_to(request: RequestHead) -> bytes:
    """The answer as it reaches the client."""
    connection = b"" if request.minor else b"Connection: keep-alive\r\n"
    if not request.keep_alive:
        connection = b"Connection: close\r\n"
    body = b"" if request.method == b"HEAD" else request.target
    head = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n" % (DATE, len(request.target))
    return head + connection + b"\r\n" + body


def upstream_answer(method: bytes, target: bytes) -> bytes:
    """The answer as the upstream gives it."""
    head = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (DATE, len(target))
    return head if method == b"HEAD" else head + target
