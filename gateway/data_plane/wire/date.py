"""The Date of a message that comes without one. Source: RFC 9110 sections 5.6.7 and 6.6.1."""

from __future__ import annotations

from email.utils import formatdate


def date_line(now: float) -> bytes:
    """The whole header line of a message that originated at `now`, in seconds since the epoch."""
    return b"Date: %b\r\n" % formatdate(now, usegmt=True).encode("ascii")
