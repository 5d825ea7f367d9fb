"""A session as the secret store keeps it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from identity.errors import TokenEnded
from identity.secret_stores.base import OWN_PREFIX, Secret, SecretRef
from identity.strict_json import strict_value

_VERSION: Final = 1
_PREFIX: Final = f"{OWN_PREFIX}supabase-session."


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Access and refresh token, in one item: they are only ever replaced together.

    Attributes:
        url: the project that it belongs to; its tokens go nowhere else.
        ended: why it is over; "" while it isn't. One that is over holds no tokens.
    """

    url: str
    access_token: Secret
    refresh_token: Secret
    issued_at: datetime
    expires_at: datetime
    user_id: str = ""
    email: str = ""
    ended: str = ""

    def over(self, reason: str) -> Session:
        """The same without its tokens: who signs in again finds out why."""
        return replace(self, access_token=Secret(""), refresh_token=Secret(""), ended=reason)


def session_ref(project: str, name: str) -> SecretRef:
    """Where the session of the token `name` is kept."""
    return SecretRef(project, _PREFIX + name)


def encode(session: Session) -> Secret:
    """The item's value."""
    told = {
        "v": _VERSION,
        "url": session.url,
        "access_token": session.access_token.reveal(),
        "refresh_token": session.refresh_token.reveal(),
        "issued_at": session.issued_at.timestamp(),
        "expires_at": session.expires_at.timestamp(),
        "user_id": session.user_id,
        "email": session.email,
        "ended": session.ended,
    }
    return Secret(json.dumps(told))


def decode(value: Secret) -> Session:
    """What `encode` made.

    Raises:
        TokenEnded: it is something else.
    """
    try:
        told = strict_value(value.reveal())
        _check_version(told)
        return Session(
            url=_text(told, "url"),
            access_token=Secret(_text(told, "access_token")),
            refresh_token=Secret(_text(told, "refresh_token")),
            issued_at=_time(told, "issued_at"),
            expires_at=_time(told, "expires_at"),
            user_id=_text(told, "user_id"),
            email=_text(told, "email"),
            ended=_text(told, "ended"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        # Not chained: what can't be read may be quoted by the error.
        raise TokenEnded(
            "the session that is kept can't be read", hint="run: devwiz-gw login supabase"
        ) from None


def _check_version(told: dict[str, Any]) -> None:
    if told["v"] != _VERSION:
        raise ValueError(told["v"])


def _text(told: dict[str, Any], name: str) -> str:
    if not isinstance(told[name], str):
        raise TypeError(name)
    return str(told[name])


def _time(told: dict[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(float(told[name]), UTC)
