from __future__ import annotations

import pytest

from identity.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("7", 7), ("1.5", 1.5), ("3601", 3600), ("1e300", 3600), ("", None), ("-1", None),
        ("nan", None), ("inf", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None), ("soon", None),
    ],
)  # fmt: skip
def test_a_span_is_taken_within_bounds(text: str, seconds: float | None) -> None:
    assert retry_after_s(text) == seconds
