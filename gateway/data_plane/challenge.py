"""The `resource_metadata` of a challenge, by which an OAuth client finds whom to ask for a token.
Pure.

Source: RFC 9110 section 11.6.1, RFC 9728 section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from gateway.data_plane.wire.fields import TOKEN

# One item of the list: commas may stand in quoted strings.
_ITEM: Final = re.compile(rb'[ \t]*+((?:[^",]++|"(?:[^"\\]++|\\.)*+")*+)(?:,|\Z)')
# A parameter, behind the scheme of its challenge where it is the first one.
_PARAMETER: Final = re.compile(
    rb"(?:(%b)[ \t]++)?(%b)" % (TOKEN, TOKEN) + rb'[ \t]*+=[ \t]*+("(?:[^"\\]++|\\.)*+"|[^" \t]++)'
)
_SCHEME: Final = re.compile(TOKEN)
_METADATA: Final = b"resource_metadata"
# What readers look for that don't take the list apart.
_LOOKED_FOR: Final = re.compile(rb"resource_metadata\*?[ \t]*=", re.IGNORECASE)


def without_metadata(value: bytes) -> bytes:
    """The challenges without the parameter. Where a forgiving reader would still find it, in what
    can't be read as challenges or in the middle of a value, the first scheme is all that is left.
    """
    items = _items(value)
    left = None if items is None else _without(items)
    if left is None or _LOOKED_FOR.search(left):
        found = _SCHEME.match(value)
        return found[0] if found else b"Bearer"
    return left


def _without(items: list[bytes]) -> bytes:
    kept: list[bytes] = []
    scheme = b""  # of a challenge whose first parameter was left out
    for item in items:
        parameter = _PARAMETER.fullmatch(item)
        if parameter is not None and parameter[2].lower() == _METADATA:
            if parameter[1]:
                kept += [scheme] if scheme else []
                scheme = parameter[1]
            continue
        if scheme:
            belongs = parameter is not None and not parameter[1]
            kept.append(scheme + b" " + item if belongs else scheme)
            kept += [] if belongs else [item]
            scheme = b""
        else:
            kept.append(item)
    return b", ".join([*kept, scheme] if scheme else kept)


def with_metadata(value: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    """The challenges with each such URL as `changed` answers it."""
    items = _items(value)
    return value if items is None else b", ".join([_with_url(item, changed) for item in items])


def _with_url(item: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    parameter = _PARAMETER.fullmatch(item)
    if parameter is None or parameter[2].lower() != _METADATA or b"\\" in parameter[3]:
        return item
    url = parameter[3].strip(b'"')
    return item[: parameter.start(3)] + b'"%b"' % changed(url)


def _items(value: bytes) -> list[bytes] | None:
    """The items of the list that aren't empty; None if a quoted string has no end."""
    items: list[bytes] = []
    position = 0
    while position < len(value):
        found = _ITEM.match(value, position)
        if found is None:
            return None
        if item := found[1].rstrip(b" \t"):
            items.append(item)
        position = found.end()
    return items
