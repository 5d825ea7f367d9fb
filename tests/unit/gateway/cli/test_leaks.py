"""`gateway.cli.leaks`."""

from __future__ import annotations

import base64

import pytest

from gateway.cli.leaks import Detector, Leak
from identity.secret_stores.base import Secret

VALUE = "canary-0123456789"
DETECTOR = Detector({"token": Secret(VALUE), "pin": Secret("1234567")})


def test_tells_line_name_and_form() -> None:
    text = f"first\nx = '{VALUE}'\n\n{base64.b64encode(VALUE.encode()).decode()}\n{VALUE}".encode()
    assert DETECTOR.leaks_in([text]) == [
        Leak(2, "token", "as it is"),
        Leak(4, "token", "base64"),
        Leak(5, "token", "as it is"),
    ]
    assert VALUE not in repr(DETECTOR.leaks_in([text]))


def test_a_short_value_is_not_looked_for() -> None:
    assert DETECTOR.skipped == ("pin",)
    assert DETECTOR.leaks_in([b"1234567"]) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 17, 18, 64])
def test_a_value_that_is_cut_between_chunks_is_found_once(size: int) -> None:
    text = f"a\nb\n{VALUE} {VALUE}\nc\n{VALUE}".encode()
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    assert DETECTOR.leaks_in(chunks) == [
        Leak(3, "token", "as it is"),
        Leak(5, "token", "as it is"),
    ]


def test_without_secrets_nothing_is_found() -> None:
    assert Detector({}).leaks_in([b"anything", b""]) == []
