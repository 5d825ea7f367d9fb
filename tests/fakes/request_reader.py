"""Reads a byte stream as requests the way a client connection does, without sockets."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire.request import RequestHead, parse_request_head
from gateway.data_plane.wire.violation import ProtocolViolation
from tests.fakes.routes import header_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a stream was read as.

    Attributes:
        requests: the complete requests before the stream's end or the refusal.
        raw: the bytes of each.
        sent: what each of them becomes for the upstream: head and body.
        verdict: "accept", "wait" when the last one isn't complete, or the reason of the refusal.
    """

    requests: tuple[RequestHead, ...]
    raw: tuple[bytes, ...]
    sent: tuple[bytes, ...]
    verdict: str


def read_requests(data: bytes, rules: HeaderRules | None = None) -> Reading:
    """Read all of `data`."""
    rules = rules or header_rules()
    requests: list[RequestHead] = []
    raw: list[bytes] = []
    sent: list[bytes] = []
    verdict = "accept"
    try:
        while data and verdict == "accept":
            before = data
            begin = 2 if data.startswith(b"\r\n") else 0
            end = data.find(b"\r\n\r\n", begin) + 4
            if end < 4:
                verdict = "wait"
                break
            request = parse_request_head(data[begin:end], rules.lines)
            if not request.body.done:
                request.upgrade = b""
            head = rules.request_head(request)
            data = data[end:]
            body = b""
            if not request.body.done:
                body = request.body.feed(data)
                data = request.body.leftover
            if request.body.done:
                requests.append(request)
                raw.append(before[begin : len(before) - len(data)])
                sent.append(head + body)
            else:
                verdict = "wait"
    except ProtocolViolation as violation:
        verdict = violation.reason
    return Reading(requests=tuple(requests), raw=tuple(raw), sent=tuple(sent), verdict=verdict)
