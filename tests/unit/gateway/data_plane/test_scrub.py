"""Secrets in what a client is told."""

from __future__ import annotations

import pytest

from gateway.data_plane.scrub import scrubbed, scrubbed_line

SECRETS = (b"s3cr3t+v/lue=", b"other")


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b"fine", b"fine"),
        (b"100% fine", b"100% fine"),
        (b"a s3cr3t+v/lue= b other", b"a [redacted] b [redacted]"),
        (b"/?t=s3cr3t%2Bv%2Flue%3D", b"[redacted]"),
        (b"/?t=s3cr3t%2bv%2flue%3d&u=other", b"[redacted]"),
        (b"/?t=s3cr3t%2Bv/lue%3D", b"[redacted]"),
        (b"/?t=%6f%74%68%65%72", b"[redacted]"),
        (b"/?u=%2F%3Ft%3Ds3cr3t%252Bv%252Flue%253D", b"[redacted]"),
        (b"/?t=s3cr3t%2Bv%2Flue", b"/?t=s3cr3t%2Bv%2Flue"),
        (b"/?%&%zz=%2", b"/?%&%zz=%2"),
    ],
)
def test_a_secret_is_found_as_it_is_and_as_urls_write_it(value: bytes, left: bytes) -> None:
    assert scrubbed(value, SECRETS) == left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"X: other\r\n", b"X: [redacted]\r\n"),
        (b"X-other: 1\r\n", b""),
        (b"X: \r\n", b"X: \r\n"),
        (b"X: a: b\r\n", b"X: a: b\r\n"),
    ],
)
def test_a_name_is_not_changed_but_left_out(line: bytes, left: bytes) -> None:
    assert scrubbed_line(line, SECRETS) == left


def test_a_secret_that_begins_in_the_name_is_left_out() -> None:
    assert scrubbed_line(b"X-One: two\r\n", (b"One: t",)) == b""


@pytest.mark.parametrize("secret", [b"red", b"[", b"[redacted]", b"x[redacted]y"])
def test_nothing_is_left_where_the_mark_would_show_a_secret(secret: bytes) -> None:
    for value in (b"x!y", secret, b"a%21b"):
        assert secret not in scrubbed(value, (secret, b"!"))
