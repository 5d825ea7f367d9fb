"""Field sections, token lists and the table of names."""

from __future__ import annotations

import pytest

from gateway.data_plane.wire.fields import (
    MAX_FIELDS,
    NameTable,
    folded,
    parse_fields,
    parse_token_list,
)
from gateway.data_plane.wire.violation import ProtocolViolation


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        (b"", []),
        (b"A: 1\r\n", [(b"A", b"1")]),
        (b"A:1\r\nB:\r\n", [(b"A", b"1"), (b"B", b"")]),
        (b"a: \t x \t y \t \r\n", [(b"a", b"x \t y")]),
        (b"a:  \t \r\n", [(b"a", b"")]),
        (b"a: x: y\r\n", [(b"a", b"x: y")]),
        (b"a: \x80\xff\r\n", [(b"a", b"\x80\xff")]),
        (b"a: 1\r\nA: 2\r\n", [(b"a", b"1"), (b"A", b"2")]),
        (b"!#$%&'*+-.^_`|~09Az: 1\r\n", [(b"!#$%&'*+-.^_`|~09Az", b"1")]),
    ],
)
def test_field_lines_are_split(section: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    assert parse_fields(section) == fields


@pytest.mark.parametrize(
    "section",
    [
        b"A",
        b"A\r\n",
        b"\r\n",
        b": 1\r\n",
        b"A : 1\r\n",
        b"A\t: 1\r\n",
        b" A: 1\r\n",
        b"A: 1",
        b"A: 1\n",
        b"A: 1\r",
        b"A: 1\n\r\n",
        b"A: 1\r\r\n",
        b"A: 1\r\nB: 2",
        b"A: 1\r\n 2\r\n",
        b"A: 1\r\n\t2\r\n",
        b"A: 1\r\n\r\nB: 2\r\n",
        b"A: 1\rB: 2\r\n",
        b"A: 1\nB: 2\r\n",
        b"A: 1\x0b\r\n",
        b"A: 1\x0c\r\n",
        b"A: \x00\r\n",
        b"A: \x1b[0m\r\n",
        b"A: \x7f\r\n",
        b"A\x00: 1\r\n",
        b"A\x80: 1\r\n",
        b"A(b): 1\r\n",
        b'"A": 1\r\n',
        b"A/B: 1\r\n",
        b"A;b: 1\r\n",
        b"A\xc2\xa0: 1\r\n",
        b"\xef\xbb\xbfA: 1\r\n",
    ],
)
def test_what_is_not_exactly_field_lines_is_refused(section: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        parse_fields(section)
    assert refused.value.reason == "bad_field"
    assert refused.value.status == 400


def test_a_bad_line_is_refused_wherever_it_stands() -> None:
    good = b"A: 1\r\n"
    for bad in (b"B : 2\r\n", b" folded\r\n", b"B\r\n", b"\n"):
        for section in (bad + good + good, good + bad + good, good + good + bad):
            with pytest.raises(ProtocolViolation):
                parse_fields(section)


def test_the_number_of_fields_is_bounded() -> None:
    assert len(parse_fields(b"a: 1\r\n" * MAX_FIELDS)) == MAX_FIELDS
    with pytest.raises(ProtocolViolation) as refused:
        parse_fields(b"a: 1\r\n" * (MAX_FIELDS + 1))
    assert refused.value.reason == "too_many_fields"


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (b"", []),
        (b"close", [b"close"]),
        (b"Keep-Alive, UPGRADE", [b"keep-alive", b"upgrade"]),
        (b"a,b ,\tc", [b"a", b"b", b"c"]),
        (b",, a,\t,b,", [b"a", b"b"]),
    ],
)
def test_token_lists_are_split(value: bytes, tokens: list[bytes]) -> None:
    assert parse_token_list(value) == tokens


@pytest.mark.parametrize(
    "value", [b"a b", b'"a"', b"a;q=1", b"a, b c", b"a,\x80", b"a=b", b"a, (b)", b"a,\nb", b"a\n"]
)
def test_a_list_of_something_else_is_refused(value: bytes) -> None:
    with pytest.raises(ProtocolViolation) as refused:
        parse_token_list(value)
    assert refused.value.reason == "bad_list"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        (b"Content-Length", b"contentlength"),
        (b"content_length", b"contentlength"),
        (b"X--Api.Key", b"xapikey"),
        (b"!#$%&'*+-.^_`|~", b""),
    ],
)
def test_a_name_is_folded_to_its_letters_and_digits(name: bytes, letters: bytes) -> None:
    assert folded(name) == letters


def test_names_are_classified_by_their_lower_case_once_a_spelling() -> None:
    asked: list[bytes] = []

    def classify(name: bytes) -> int:
        asked.append(name)
        return len(name)

    names = NameTable(classify)
    assert [names[b"Host"], names[b"HOST"], names[b"Host"]] == [4, 4, 4]
    assert asked == [b"host", b"host"]


def test_invented_names_cannot_fill_the_memory() -> None:
    names = NameTable(lambda name: 1)
    for number in range(5000):
        assert names[b"x-%d" % number] == 1
    assert names[b"y" * 1000] == 1
    assert len(names) <= 2048
    assert max(map(len, names)) <= 64
