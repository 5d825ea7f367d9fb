from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from identity.errors import TokenEnded
from identity.secret_stores.base import Secret
from identity.supabase.session import Session, decode, encode, session_ref

SESSION = Session(
    url="https://ref.supabase.co",
    access_token=Secret("access"),
    refresh_token=Secret("refresh"),
    issued_at=datetime(2026, 3, 1, tzinfo=UTC),
    expires_at=datetime(2026, 3, 1, 1, tzinfo=UTC),
    user_id="u",
    email="ada@example.com",
)


def test_what_is_kept_comes_back() -> None:
    again = decode(encode(SESSION))
    assert again.access_token.reveal() == "access"
    assert again.refresh_token.reveal() == "refresh"
    assert (again.issued_at, again.expires_at) == (SESSION.issued_at, SESSION.expires_at)
    assert (again.url, again.user_id, again.email) == (SESSION.url, "u", "ada@example.com")
    assert "access" not in repr(again).replace("access_token", "")


def test_one_that_is_over_holds_no_tokens() -> None:
    kept = encode(SESSION.over("signed out"))
    assert '"access"' not in kept.reveal()
    assert '"refresh"' not in kept.reveal()
    assert decode(kept).ended == "signed out"


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"url": 1}, {"expires_at": "x"}, {"issued_at": 1e300}, {"ended": None}]
)
def test_anything_else_asks_for_a_new_one_and_quotes_nothing(change: dict[str, object]) -> None:
    value = Secret(json.dumps(json.loads(encode(SESSION).reveal()) | change))
    with pytest.raises(TokenEnded) as caught:
        decode(value)
    assert "refresh" not in str(caught.value)
    for text in ("", "[]", "eyJ", "{}", "[" * 10_000):
        with pytest.raises(TokenEnded):
            decode(Secret(text))


def test_each_token_has_an_item_of_its_own() -> None:
    assert str(session_ref("acme", "supabase")) == "acme/devwiz-gw.supabase-session.supabase"
