"""What has more than one reading is refused."""

from __future__ import annotations

import base64
from collections import Counter

import pytest

from identity.strict_json import strict_value
from tests.data.published import load


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": 1, "a": 2}',
        "NaN",
        "[Infinity]",
        "[1e999]",
        "[-1e999]",
        "[" * 100_000,
        '[{"":' * 50_000,
        b"\xff",
        b"\xed\xa0\x80",
        '[{"a": 1}]'.encode("utf-16"),
        '[{"a": 1}]'.encode("utf-32-le"),
    ],
)
def test_what_is_not_json_for_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_value(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["\\ud83d\\ude00", "\\ud800"]', ["\U0001f600", "\ud800"]),
        (b'\xef\xbb\xbf{"a": 1.5e300}', {"a": 1.5e300}),
        ("[-0, 1e-999]", [0, 0.0]),
    ],
)
def test_what_all_read_alike_is_taken(text: str | bytes, value: object) -> None:
    assert strict_value(text) == value


def test_the_json_test_suite_is_read_as_it_says() -> None:
    told = Counter[tuple[str, str]]()
    for case in load("json_test_suite"):
        try:
            strict_value(base64.b64decode(case["data"]))
            found = "accept"
        except ValueError:
            found = "refuse"
        assert found == case["ours"], case["name"]
        told[case["name"][0], found] += 1
    # The two that are JSON and refused have a name twice, which RFC 8259 section 4 leaves open.
    assert told["y", "refuse"] == 2
    assert told["n", "accept"] == 0
    assert told.total() == 316
