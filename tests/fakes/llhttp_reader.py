"""Reads messages with llhttp in its strict mode, which Node.js and many servers read with."""

from __future__ import annotations

from dataclasses import dataclass, field

import httptools


@dataclass(slots=True)
class Message:
    """One message as llhttp reads it; names are lower case."""

    target: bytes = b""
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False


class _Collector:
    """What llhttp calls."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def on_message_begin(self) -> None:
        self.messages.append(Message())

    def on_url(self, part: bytes) -> None:
        self.messages[-1].target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.messages[-1].fields.append((name.lower(), value))

    def on_body(self, part: bytes) -> None:
        self.messages[-1].body += part

    def on_message_complete(self) -> None:
        self.messages[-1].whole = True


def read_request(data: bytes) -> Message:
    """The one request that `data` is. Raises `httptools.HttpParserError`."""
    collector = _Collector()
    httptools.HttpRequestParser(collector).feed_data(data)
    return _only(collector)


def read_response(data: bytes) -> Message:
    """The one response to a GET that `data` is. Raises `httptools.HttpParserError`."""
    collector = _Collector()
    httptools.HttpResponseParser(collector).feed_data(data)
    return _only(collector)


def _only(collector: _Collector) -> Message:
    (message,) = collector.messages
    assert message.whole
    return message
