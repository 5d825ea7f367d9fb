"""What has more than one reading is refused."""

from __future__ import annotations

import pytest

from identity.strict_json import strict_value


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1, "a": 2}', "NaN", "[Infinity]", "[" * 100_000, b"\xff"]
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_value(text)
