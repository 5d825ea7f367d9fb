"""What the issuer is sent: JSON objects, and the texts in them. Pure."""

from __future__ import annotations

from typing import Any

from certs.issuer.refusal import Code, Refused
from identity.strict_json import strict_value


def json_object(content: bytes | str) -> dict[str, Any] | None:
    """The JSON object, or None for anything else: also for one that has a member twice, at any
    depth, or holds `NaN` or `Infinity`, which JSON hasn't (RFC 8259 §6), or is in another encoding
    than UTF-8 (§8.1), which `json.loads` would guess.
    """
    try:
        value = strict_value(content.decode() if isinstance(content, bytes) else content)
    except ValueError:
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
