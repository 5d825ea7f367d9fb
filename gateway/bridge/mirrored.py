"""Which parameters of which tools have headers of their own (`x-mcp-header`). Pure.

Source: MCP 2026-07-28, basic/transports, custom headers from tool parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.bridge.messages import Message

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_KINDS: Final = ("string", "integer", "boolean")
_MOST_TOOLS: Final = 10_000
_MOST_DEPTH: Final = 32


class Mirrored:
    """What the lists of tools said so far."""

    def __init__(self) -> None:
        self._tools: dict[str, dict[tuple[str, ...], str]] = {}

    def learn(self, response: Message) -> None:
        """Take note of a response to `tools/list`."""
        result = response.value.get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            name = tool.get("name") if isinstance(tool, dict) else None
            if isinstance(name, str) and (len(self._tools) < _MOST_TOOLS or name in self._tools):
                self._tools[name] = dict(_annotated(tool.get("inputSchema"), ()))

    def of(self, request: Message) -> Mapping[tuple[str, ...], str]:
        """Header names by paths into the arguments."""
        name = request.params.get("name")
        if request.method != "tools/call" or not isinstance(name, str):
            return {}
        return self._tools.get(name, {})


def _annotated(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Only what is reached by properties alone: elsewhere the annotation isn't allowed."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or len(path) >= _MOST_DEPTH:
        return
    for name, part in properties.items():
        if not isinstance(part, dict):
            continue
        token, kind = part.get("x-mcp-header"), part.get("type")  # which may be a list
        if isinstance(token, str) and _TOKEN.fullmatch(token) and kind in _KINDS:
            yield (*path, name), token
        yield from _annotated(part, (*path, name))
