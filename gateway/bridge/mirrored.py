"""Which parameters of which tools have headers of their own (`x-mcp-header`). Pure.

Source: MCP 2026-07-28, basic/transports, custom headers from tool parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.bridge.messages import Message

_ANNOTATION: Final = "x-mcp-header"
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_KINDS: Final = ("string", "integer", "boolean")
_MOST_TOOLS: Final = 10_000
_MOST_DEPTH: Final = 32
# What of a schema holds further ones, where no annotation is allowed: one or a list, or by names.
_ELSEWHERE: Final = (
    *("items", "prefixItems", "contains", "additionalProperties", "unevaluatedProperties"),
    *("unevaluatedItems", "propertyNames", "oneOf", "anyOf", "allOf", "not", "if", "then", "else"),
)
_ELSEWHERE_BY_NAME: Final = ("patternProperties", "dependentSchemas", "$defs", "definitions")

_Path = tuple[str, ...]


class _Invalid(Exception):
    """An annotation isn't as the protocol wants it; the text says why."""


class Mirrored:
    """What the lists of tools said so far."""

    def __init__(self) -> None:
        self._tools: dict[str, dict[_Path, str]] = {}

    def learn(self, response: Message) -> dict[str, str]:
        """Take note of a response to `tools/list`. The names of the tools that a client must not
        know, and why: some annotation of theirs is invalid.
        """
        invalid: dict[str, str] = {}
        for tool in listed(response):
            name = tool.get("name") if isinstance(tool, dict) else None
            if not isinstance(name, str):
                continue
            headers: dict[_Path, str] = {}
            try:
                headers = _headers(tool.get("inputSchema"))
            except _Invalid as error:
                invalid[name] = str(error)
            if len(self._tools) < _MOST_TOOLS or name in self._tools:
                self._tools[name] = headers
        return invalid

    def of(self, request: Message) -> Mapping[_Path, str]:
        """Header names by paths into the arguments."""
        name = request.params.get("name")
        if request.method != "tools/call" or not isinstance(name, str):
            return {}
        return self._tools.get(name, {})


def listed(response: Message) -> list[Any]:
    """The tools of a response to `tools/list`."""
    result = response.value.get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    return tools if isinstance(tools, list) else []


def _headers(schema: Any) -> dict[_Path, str]:
    """Raises `_Invalid`."""
    found = dict(_annotated(schema, ()))
    if len({token.lower() for token in found.values()}) < len(found):
        raise _Invalid("two parameters have one header")
    return found


def _annotated(schema: Any, path: _Path, *, allowed: bool = True) -> Iterator[tuple[_Path, str]]:
    """Allowed is what is reached by properties alone."""
    if not isinstance(schema, dict) or len(path) > _MOST_DEPTH:
        return
    if _ANNOTATION in schema:
        yield path, _checked(schema, allowed=allowed and bool(path))
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, dict) else ():
        yield from _annotated(part, (*path, name), allowed=allowed)
    for part in _elsewhere(schema):
        yield from _annotated(part, (*path, ""), allowed=False)


def _elsewhere(schema: Mapping[str, Any]) -> Iterator[Any]:
    for key in _ELSEWHERE:
        part = schema.get(key)
        yield from part if isinstance(part, list) else [part]
    for key in _ELSEWHERE_BY_NAME:
        parts = schema.get(key)
        yield from parts.values() if isinstance(parts, dict) else ()


def _checked(schema: Mapping[str, Any], *, allowed: bool) -> str:
    token = schema[_ANNOTATION]
    if not allowed:
        raise _Invalid("what isn't reached by properties alone has a header")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise _Invalid("a header's name is no token")
    if schema.get("type") not in _KINDS:
        raise _Invalid("a parameter with a header is no text, integer or boolean")
    return token
