"""Any text survives any item limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from identity.secret_stores.item_codec import Head, decode, encode, join, units


@given(st.text(), st.integers(min_value=4, max_value=300))
def test_what_is_laid_out_is_put_together_again(value: str, limit: int) -> None:
    encoded = encode(value, generation="ab", limit=limit)
    content = decode(encoded.head)
    if isinstance(content, Head):
        assert all(units(part) <= limit for part in encoded.parts)
        assert join(content, encoded.parts) == value
    else:
        assert content == value
