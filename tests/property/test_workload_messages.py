"""The Workload API's message: any bytes are read or refused, and what was written is read."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from certs.errors import ReplyRejected
from certs.sources.workload_messages import read_svids, split_der
from tests.property.effort import effort


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


PARTS = st.tuples(
    st.text("abc/:.-", max_size=300),
    st.binary(max_size=300),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.text(max_size=40),
)
#: Fields that a newer standard may bring: number, wire type, content.
UNKNOWN = st.one_of(
    st.tuples(st.integers(6, 2000), st.just(2), st.binary(max_size=20)),
    st.tuples(st.integers(6, 2000), st.just(0), st.integers(0, 2**64 - 1).map(varint)),
    st.tuples(st.integers(6, 2000), st.just(1), st.binary(min_size=8, max_size=8)),
    st.tuples(st.integers(6, 2000), st.just(5), st.binary(min_size=4, max_size=4)),
)


def written(number: int, kind: int, content: bytes) -> bytes:
    length = varint(len(content)) if kind == 2 else b""
    return varint(number << 3 | kind) + length + content


def svid(parts: tuple[str, bytes, bytes, bytes, str]) -> bytes:
    contents = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(written(number, 2, content) for number, content in enumerate(contents, 1))


@given(st.lists(PARTS, max_size=5), st.lists(UNKNOWN, max_size=5))
@effort(200)
def test_what_was_written_is_read(
    svids: list[tuple[str, bytes, bytes, bytes, str]], unknown: list[tuple[int, int, bytes]]
) -> None:
    extra = b"".join(written(*field) for field in unknown)
    message = extra + b"".join(written(1, 2, svid(parts) + extra) for parts in svids)
    found = [
        (item.spiffe_id, item.chain, item.key, item.bundle, item.hint)
        for item in read_svids(message)
    ]
    assert found == svids


@given(
    st.binary(max_size=200)
    | st.lists(PARTS, max_size=2).map(lambda all_: b"".join(map(svid, all_)))
)
@effort(300)
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    with suppress(ReplyRejected):
        read_svids(message)


@given(st.lists(st.binary(max_size=70_000), max_size=4))
@effort(100)
def test_der_sequences_are_split_where_they_were_joined(contents: list[bytes]) -> None:
    sequences = []
    for content in contents:
        size = len(content)
        count = (size.bit_length() + 7) // 8
        head = bytes([size]) if size < 0x80 else bytes([0x80 | count]) + size.to_bytes(count)
        sequences.append(b"\x30" + head + content)
    assert list(split_der(b"".join(sequences))) == sequences


@given(st.binary(max_size=100))
@effort(300)
def test_any_bytes_are_split_whole_or_refused(data: bytes) -> None:
    with suppress(ReplyRejected):
        assert b"".join(split_der(data)) == data
