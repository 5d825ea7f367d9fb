from __future__ import annotations

import jwt
import pytest

from identity.token_sources.jwt_end import end_of


@pytest.mark.parametrize("claims", [{}, {"exp": 1e300}, {"exp": []}])
def test_an_end_that_makes_no_sense_is_none(claims: dict[str, object]) -> None:
    assert end_of(jwt.encode(claims, "k" * 32, "HS256")) is None
    assert end_of("no.jwt.here") is None
