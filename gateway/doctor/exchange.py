"""One request on one connection, and as much of its answer as is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.data_plane.failure import REASONS
from gateway.data_plane.wire.response import ResponseHead, parse_response_head, trailer_lines
from gateway.data_plane.wire.violation import ProtocolViolation
from gateway.doctor.link import Link
from gateway.doctor.message import Missed, Reply, Request, to_the_end

#: Of an answer; what a card or a list of capabilities takes is far below.
_MOST_BODY: Final = 1024 * 1024
_MOST_HEAD: Final = 65_536
_HEAD_END: Final = b"\r\n\r\n"
_PROBLEM: Final = "application/problem+json"
_PROBLEM_TYPE: Final = "urn:devwiz-gw:problem:"


async def exchange(
    link: Link, request: Request, *, authority: str, headers: Mapping[str, str]
) -> Reply:
    """Send the request on a fresh connection, which the caller closes. `headers` are the way's own.

    Raises:
        Missed: there was no acceptable answer; also one that the gateway itself gives.
    """
    await link.send(_head(request, authority, headers) + request.body)
    head, rest = await _read_head(link, request.method)
    fields = _fields(head)
    # What the gateway says itself is always read to its end.
    is_problem = fields.get("content-type", "").startswith(_PROBLEM)
    enough = to_the_end if is_problem else request.enough
    body = await _read_body(link, head, rest, enough)
    reply = Reply(status=head.status, headers=fields, body=body)
    _raise_for(reply)
    return reply


def _head(request: Request, authority: str, headers: Mapping[str, str]) -> bytes:
    fields = {
        "Host": authority,
        "User-Agent": "devwiz-gw-doctor",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **request.headers,
        **headers,
    }
    if request.body:
        fields["Content-Length"] = str(len(request.body))
    lines = [f"{request.method} {request.path} HTTP/1.1", *map(": ".join, fields.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8")


async def _read_head(link: Link, method: str) -> tuple[ResponseHead, bytes]:
    """The final head, and what came behind it; interim ones (RFC 9110 section 15.2) are passed."""
    got = b""
    while True:
        head, end, rest = got.partition(_HEAD_END)
        if not end:
            data = await link.receive()
            if not data:
                raise Missed("upstream_closed", "the connection ended before an answer")
            got += data
            if len(got) > _MOST_HEAD:
                raise Missed("bad_response", "the head of the answer is too large")
            continue
        try:
            # As for a client that reads no chunks: the body then comes without its framing.
            parsed = parse_response_head(
                head + end, method=method.encode("ascii"), client_minor=0, trailers=trailer_lines
            )
        except ProtocolViolation as violation:
            raise Missed("bad_response", violation.detail) from violation
        if parsed.status >= 200:
            return parsed, rest
        got = rest


async def _read_body(
    link: Link, head: ResponseHead, data: bytes, enough: Callable[[bytes], bool]
) -> bytes:
    tracker = head.body
    try:
        body = tracker.feed(data) if data and not tracker.done else b""
        while not (tracker.done or enough(body) or len(body) > _MOST_BODY):
            data = await link.receive()
            if data:
                body += tracker.feed(data)
            elif tracker.end() is None:
                raise Missed("bad_response", "the body of the answer is cut off")
            else:
                break
    except ProtocolViolation as violation:
        raise Missed("bad_response", violation.detail) from violation
    return body


def _fields(head: ResponseHead) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in head.forwarded)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _raise_for(reply: Reply) -> None:
    """Raise what the gateway itself answers (RFC 9457), in its own words."""
    if not reply.headers.get("content-type", "").startswith(_PROBLEM):
        return
    said = reply.json
    kind = str(said.get("type", "")) if isinstance(said, dict) else ""
    reason = kind.removeprefix(_PROBLEM_TYPE)
    if kind.startswith(_PROBLEM_TYPE) and reason in REASONS:
        raise Missed(reason, str(said.get("detail", "")))
