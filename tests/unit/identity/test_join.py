"""Join tokens as text."""

from __future__ import annotations

import hashlib

import pytest

from identity.errors import JoinTokenInvalid
from identity.join import JoinToken
from identity.secret_stores.base import Secret

RANDOM = bytes(range(40))


def test_a_token_reads_back_from_its_text() -> None:
    token = JoinToken.from_random(RANDOM)
    again = JoinToken.parse(Secret(f" {token.text.reveal()}\n"))
    assert (again.id, again.digest) == (token.id, token.digest)
    assert token.id == "0001020304050607"


def test_the_digest_is_of_the_secret_part_alone() -> None:
    assert JoinToken.from_random(RANDOM).digest == hashlib.sha256(RANDOM[8:]).digest()


def test_a_token_doesnt_show_its_secret() -> None:
    token = JoinToken.from_random(RANDOM)
    assert RANDOM[8:].hex() not in repr(token)


@pytest.mark.parametrize(
    "text",
    ["", "dgwj_", "dgwj_00_11", f"dgwj_{'0' * 16}_{'A' * 64}", f"x{'dgwj_'}{'0' * 16}_{'a' * 64}"],
)
def test_another_form_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(JoinTokenInvalid) as caught:
        JoinToken.parse(Secret(text))
    assert not text or text not in str(caught.value)


def test_a_token_needs_all_of_its_random_bytes() -> None:
    with pytest.raises(ValueError, match="40 random bytes"):
        JoinToken.from_random(b"short")
