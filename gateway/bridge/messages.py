"""JSON-RPC messages as lines, and what HTTP says beside them. Pure.

Sources: MCP 2025-11-25 and 2026-07-28, basic/transports.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

#: Of a message, in either direction.
MOST_BYTES: Final = 16 << 20

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
#: What the SDKs call a closed connection; of the range that JSON-RPC leaves to implementations.
CONNECTION_CLOSED: Final = -32000

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
#: The parameter that `Mcp-Name` repeats.
_NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_VISIBLE: Final = re.compile(r"[\x20-\x7e]*")
_SENTINEL: Final = re.compile(r"=\?base64\?.*\?=", re.DOTALL)

Id = str | int | float | None


class NoMessage(ValueError):
    """Not a message of JSON-RPC; `code` is what the sender is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; `line` is it in JSON without a newline."""

    kind: Literal["request", "notification", "response"]
    method: str
    id: Id
    value: Mapping[str, Any]
    line: bytes

    @property
    def key(self) -> str:
        """Names the request: "1" isn't 1."""
        return json.dumps(self.id)

    @property
    def params(self) -> Mapping[str, Any]:
        """Its parameters by name."""
        params = self.value.get("params")
        return params if isinstance(params, dict) else {}

    @property
    def modern_version(self) -> str:
        """The revision that the message itself names, as from 2026-07-28; "" for none."""
        meta = self.params.get("_meta")
        version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
        return version if isinstance(version, str) else ""


def parsed(data: bytes) -> Message:
    """The message in some text. Raises `NoMessage`."""
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NoMessage(PARSE_ERROR, "this is no JSON") from None
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise NoMessage(INVALID_REQUEST, "this is no message of JSON-RPC 2.0")
    method, identifier = value.get("method"), value.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, str | int | float | None):
        raise NoMessage(INVALID_REQUEST, "the id is neither a text nor a number")
    # Within JSON a newline is white space, never part of a text.
    line = data.strip().replace(b"\r", b" ").replace(b"\n", b" ")
    if isinstance(method, str):
        kind: Literal["request", "notification"] = "request" if "id" in value else "notification"
        return Message(kind=kind, method=method, id=identifier, value=value, line=line)
    if method is None and ("result" in value or "error" in value):
        return Message(kind="response", method="", id=identifier, value=value, line=line)
    raise NoMessage(INVALID_REQUEST, "this is neither a request nor a response")


def parsed_all(data: bytes) -> list[Message]:
    """One message, or a batch of them as in 2025-03-26. Raises `NoMessage`."""
    if not data.lstrip().startswith(b"["):
        return [parsed(data)]
    try:
        values = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NoMessage(PARSE_ERROR, "this is no JSON") from None
    if not values:
        raise NoMessage(INVALID_REQUEST, "the batch is empty")
    return [parsed(json.dumps(value).encode("ascii")) for value in values]


def failure(identifier: Id, code: int, text: str) -> bytes:
    """The line that answers a request with an error."""
    error = {"code": code, "message": text}
    return _line({"jsonrpc": "2.0", "id": identifier, "error": error})


def answered_as(message: Message, identifier: Id) -> bytes:
    """A response, as one to this request: servers that refuse one unread answer nobody."""
    if message.id == identifier:
        return message.line
    return _line({**message.value, "id": identifier})


def with_result(message: Message, result: Mapping[str, Any]) -> Message:
    """A response with another result."""
    value = {**message.value, "result": result}
    return replace(message, value=value, line=_line(value))


def initialized() -> bytes:
    """What ends a handshake."""
    return _line({"jsonrpc": "2.0", "method": "notifications/initialized"})


def cancelled_key(message: Message) -> str | None:
    """The key of the request that a message cancels, if it does."""
    if message.method != "notifications/cancelled":
        return None
    return json.dumps(message.params.get("requestId"))


def modern_headers(message: Message, mirrored: Mapping[tuple[str, ...], str]) -> dict[str, str]:
    """What HTTP says of a request of 2026-07-28: all of it is in the body too. `mirrored` are the
    tool's parameters that have headers of their own, by their paths.
    """
    headers = {"MCP-Protocol-Version": message.modern_version, "Mcp-Method": message.method}
    name = message.params.get(_NAMED_BY.get(message.method, ""))
    if isinstance(name, str):
        headers["Mcp-Name"] = _encoded(name)
    for path, token in mirrored.items():
        text = _shown(_at(message.params.get("arguments"), path))
        if text is not None:
            headers[f"Mcp-Param-{token}"] = _encoded(text)
    return {key: value if _is_visible(value) else _encoded(value) for key, value in headers.items()}


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _shown(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _encoded(value: str) -> str:
    """As a header can carry it: visible ASCII as it is, anything else in Base64."""
    if _is_visible(value) and value == value.strip() and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def _is_visible(value: str) -> bool:
    return _VISIBLE.fullmatch(value) is not None


def _refuse(name: str) -> None:
    raise ValueError(name)


def _line(value: Mapping[str, Any]) -> bytes:
    # In ASCII, since half a character, which JSON may spell, has no bytes of its own.
    return json.dumps(value, separators=(",", ":")).encode("ascii")
