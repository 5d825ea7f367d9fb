"""The reader of protobuf messages; that it reads honest ones is seen against grpc-go."""

from __future__ import annotations

import pytest

from certs.errors import ReplyRejected
from certs.sources.workload_messages import read_svids, split_der


def text_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


SVID = text_field(1, b"spiffe://a/b") + text_field(2, b"chain") + text_field(5, "für".encode())


def test_fields_are_read_and_unknown_ones_skipped() -> None:
    unknown = b"\x30\x96\x01" + b"\x39" + bytes(8) + b"\x3d" + bytes(4) + text_field(9, b"x")
    (svid,) = read_svids(unknown + text_field(1, SVID + unknown) + text_field(3, b"federated"))
    assert (svid.spiffe_id, svid.chain, svid.key) == ("spiffe://a/b", b"chain", b"")
    assert svid.hint == "für"


def test_an_empty_message_is_one_without_svids() -> None:
    assert read_svids(b"") == ()


def test_nothing_is_shown_of_a_key() -> None:
    (svid,) = read_svids(text_field(1, text_field(3, b"hidden")))
    assert "hidden" not in repr(svid)


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0b",
        b"\x02\x00",
        b"\xff" * 12,
        b"\x08" + b"\x80" * 10,
        text_field(1, b"\x0a\x7f"),
        text_field(1, text_field(1, "spiffe://ä".encode())),
        text_field(1, text_field(5, b"\xff")),
        text_field(1, b"") * 257,
    ],
)
def test_what_is_no_such_message_is_refused(message: bytes) -> None:
    with pytest.raises(ReplyRejected, match="fetch: "):
        read_svids(message)


def test_certificates_are_split() -> None:
    small, large = b"\x30\x02ab", b"\x30\x82\x01\x00" + bytes(256)
    assert list(split_der(small + large + small)) == [small, large, small]
    assert list(split_der(b"")) == []


@pytest.mark.parametrize(
    "data", [b"\x30", b"\x31\x00", b"\x30\x02a", b"\x30\x80", b"\x30\x84\0\0\0\0", b"\x30\0" * 300]
)
def test_what_is_not_der_is_refused(data: bytes) -> None:
    with pytest.raises(ReplyRejected, match="fetch: "):
        list(split_der(data))
