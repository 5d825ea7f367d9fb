"""Reads messages with h11, a parser that shares nothing with ours."""

from __future__ import annotations

from dataclasses import dataclass

import h11

_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as h11 reads it; names are lower case, `rest` is what stands behind it."""

    start: tuple[bytes, ...]
    fields: list[tuple[bytes, bytes]]
    body: bytes
    rest: bytes


def read_request(data: bytes) -> Message:
    """The first request of `data`. Raises `h11.RemoteProtocolError`."""
    connection = h11.Connection(h11.SERVER, _LIMIT)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request), event
    start = (event.method, event.target, event.http_version)
    return _with_body(connection, start, list(event.headers))


def read_response(data: bytes, *, method: bytes, closed: bool) -> Message:
    """The first response of `data` to a `method` request, interim ones included.

    `closed` tells that the connection ended behind it. Raises `h11.RemoteProtocolError`.
    """
    connection = h11.Connection(h11.CLIENT, _LIMIT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    if closed:
        connection.receive_data(b"")
    event = connection.next_event()
    assert isinstance(event, h11.InformationalResponse | h11.Response), event
    start = (b"%d" % event.status_code, event.reason)
    if isinstance(event, h11.InformationalResponse):
        rest = connection.trailing_data[0]
        return Message(start=start, fields=list(event.headers), body=b"", rest=rest)
    return _with_body(connection, start, list(event.headers))


def _with_body(
    connection: h11.Connection, start: tuple[bytes, ...], fields: list[tuple[bytes, bytes]]
) -> Message:
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage), event
    rest = connection.trailing_data[0]
    return Message(start=start, fields=fields, body=body, rest=rest)
