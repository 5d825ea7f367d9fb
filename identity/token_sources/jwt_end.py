"""When a JWT ends, by what it says of itself."""

from __future__ import annotations

from datetime import UTC, datetime

import jwt


def end_of(token: str) -> datetime | None:
    """When a JWT ends, by what it says of itself; None for others. Nothing of it is verified."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (
        jwt.PyJWTError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        OverflowError,
        OSError,
    ):
        return None
