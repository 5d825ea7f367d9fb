"""What an MCP request calls itself: a label for logs and never a reason to decide anything.

A client of MCP 2026-07-28 says it in the headers Mcp-Method and Mcp-Name; of an older one only the
first bytes of the body tell, as far as they came anyway. Whoever lies here lies to the log. Pure.
"""

from __future__ import annotations

import base64
import re
from typing import Final

#: How much of a body is looked at.
PEEKED_BYTES: Final = 4096

# White space, or the line of a first chunk, may come before the object.
_FARTHEST_START: Final = 16
_MOST_TOKENS: Final = 512
# What may be shown of a body: MCP's own method names, and names as tools and prompts have them.
_METHOD: Final = re.compile(
    rb"initialize|ping|(?:completion|elicitation|logging|notifications|prompts|resources|roots"
    rb"|sampling|server|subscriptions|tasks|tools)/[A-Za-z_/]{1,48}"
)
_NAME: Final = re.compile(rb"[A-Za-z0-9_.:/@+ -]{1,128}")
_NAMED: Final = frozenset((b"tools/call", b"prompts/get"))
# A string, with the colon that makes it a key; an opening bracket; a closing one. Matched one after
# the other from a known place, so that the inside of a string is never taken for structure, and
# possessive, so that it takes linear time.
_TOKEN: Final = re.compile(
    rb'[^"{}\[\]]*+(?:"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+(:)?|([{\[])|[}\]])', re.DOTALL
)
# Up to the last "@" of the authority, as WHATWG URL readers take it.
_USER_INFO: Final = re.compile(r"://[^/]*@")
_BASE64: Final = re.compile(rb"=\?base64\?([A-Za-z0-9+/=]*)\?=")


def peeked(first: bytes) -> tuple[bytes, bytes]:
    """Method and, of a tool call or a prompt, the name of the JSON-RPC request whose body begins
    with `first`; b"" for each that isn't found. Both need no quoting in JSON.
    """
    start = first.find(b"{", 0, _FARTHEST_START)
    method, name = _found(first, start) if start >= 0 else (b"", b"")
    if not _METHOD.fullmatch(method):
        return b"", b""
    return method, name if method in _NAMED and _NAME.fullmatch(name) else b""


def method_of(first: bytes) -> bytes:
    """The method of the JSON-RPC request, of MCP or not, whose body begins with `first`; b"" where
    it isn't found, or needs quoting in JSON.
    """
    start = first.find(b"{", 0, _FARTHEST_START)
    return _found(first, start)[0] if start >= 0 else b""


def _found(first: bytes, position: int) -> tuple[bytes, bytes]:
    """The top-level "method" and the "name" in "params", as far as they are there."""
    method = name = key = b""
    depth = 0
    in_params = False
    for _ in range(_MOST_TOKENS):
        token = _TOKEN.match(first, position, PEEKED_BYTES)
        if token is None or (method and (name or method not in _NAMED)):
            break
        position = token.end()
        text, colon, opening = token.groups()
        if colon:
            key = text
        elif text is not None:
            if depth == 1 and key == b"method":
                method = method or text
            elif depth == 2 and in_params and key == b"name":
                name = name or text
        elif opening:
            depth += 1
            in_params = in_params or (depth == 2 and key == b"params")
        else:
            depth -= 1
            in_params = in_params and depth > 1
    return method, name


def shown_name(value: bytes) -> str:
    """The Mcp-Name header as logs show it: decoded, and of a resource's URI neither the query nor
    the user and password.
    """
    encoded = _BASE64.fullmatch(value)
    try:
        raw = value if encoded is None else base64.b64decode(encoded[1])
    except ValueError:
        return ""
    text = raw.decode("latin-1" if encoded is None else "utf-8", "replace")
    return _USER_INFO.sub("://", text.partition("?")[0])
