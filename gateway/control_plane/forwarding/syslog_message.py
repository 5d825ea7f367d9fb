"""Lines of the journal as syslog messages, RFC 5424. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Final

from gateway.control_plane.forwarding.record import Record

_WARNING: Final = 4
_INFO: Final = 6
_BAD: Final = frozenset({"denied", "failed", "refused"})
#: Section 7.3.1: the counter begins again with 1 after this number.
_MOST_SEQUENCE: Final = 2147483647
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What is the same in all messages."""

    facility: int
    hostname: str
    version: str


def message(record: Record, sender: Sender) -> bytes:
    """The line, whole, as the text of a message (section 6)."""
    severity = _WARNING if record.said("outcome") in _BAD else _INFO
    at = record.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    client = record.fields.get("client")
    pid = client.get("pid", "") if isinstance(client, dict) else ""
    head = " ".join(
        (
            f"<{sender.facility * 8 + severity}>1",
            at,
            _word(sender.hostname, 255),
            "devwiz-gw",
            _word(str(pid), 128),
            _word(record.said("action"), 32),
            _elements(record, sender),
        )
    )
    text = record.text.encode("utf-8", "backslashreplace")
    return head.encode("ascii") + b" " + _BOM + text


def counted(data: bytes) -> bytes:
    """A message on a stream: octet counting, RFC 6587 section 3.4.1."""
    return b"%d %b" % (len(data), data)


def _elements(record: Record, sender: Sender) -> str:
    sequence = (record.seq - 1) % _MOST_SEQUENCE + 1
    version = sender.version.replace("\\", "").replace('"', "").replace("]", "")
    return f'[meta sequenceId="{sequence}"][origin software="devwiz-gw" swVersion="{version}"]'


def _word(text: str, most: int) -> str:
    """PRINTUSASCII of at most so many characters; "-" for none."""
    return "".join(char if "!" <= char <= "~" else "?" for char in text)[:most] or "-"
