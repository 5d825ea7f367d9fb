"""JSON from strangers, read so that two readers can't see different things in it. Pure."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from certs.issuer.refusal import Code, Refused


def json_object(content: bytes | str) -> dict[str, Any] | None:
    """The JSON object, or None for anything else: also for one that has a member twice, at any
    depth, or holds `NaN` or `Infinity`, which JSON hasn't (RFC 8259 §6), or is in another encoding
    than UTF-8 (§8.1), which `json.loads` would guess.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_member(content: dict[str, Any], name: str) -> str:
    """The member of that name, a non-empty text.

    Raises:
        Refused: `malformed_request`.
    """
    value = content.get(name)
    if not isinstance(value, str) or not value or not _is_text(value):
        raise Refused(Code.MALFORMED_REQUEST, f"the body has no text member {name!r}")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can spell half of a surrogate pair, which is no character (RFC 8259 §8.2).
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
