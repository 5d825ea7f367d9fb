"""The Date of a message that comes without one."""

from __future__ import annotations

from gateway.data_plane.wire.date import date_line


def test_the_line_is_in_the_preferred_format() -> None:
    # The example of RFC 9110 section 5.6.7.
    assert date_line(784_111_777.9) == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
