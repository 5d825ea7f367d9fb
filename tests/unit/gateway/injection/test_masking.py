"""`gateway.injection.masking`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.injection.masking import MASK, Masker

VALUE = 'pass/w0rd+with "all" sorts\nof\\things ü'
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda raw: raw,
    "on a terminal": lambda raw: raw.replace(b"\n", b"\r\n"),
    "base64": base64.b64encode,
    "base64 for URLs": base64.urlsafe_b64encode,
    "behind one byte": lambda raw: base64.b64encode(b"x" + raw),
    "behind two bytes": lambda raw: base64.b64encode(b"xy" + raw + b"z"),
    "hex": lambda raw: raw.hex().encode(),
    "HEX": lambda raw: raw.hex().upper().encode(),
    "in a URL": lambda raw: quote(raw, safe="").encode(),
    "in a path": lambda raw: quote(raw).encode(),
    "in a form": lambda raw: quote_plus(raw).encode(),
    "in JSON": lambda raw: json.dumps(raw.decode()).encode(),
    "in JSON as it is": lambda raw: json.dumps(raw.decode(), ensure_ascii=False).encode(),
}


def shown(values: list[str], text: bytes, size: int) -> bytes:
    """What comes out when the text comes in pieces of this size."""
    masker = Masker(values)
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    return b"".join(map(masker.feed, pieces)) + masker.release()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_value_is_hidden_in_each_form_and_split(form: str, size: int) -> None:
    told = FORMS[form](VALUE.encode())
    out = shown([VALUE], b"before " + told + b" after", size)
    assert out.startswith(b"before ")
    assert out.endswith(b" after")
    assert MASK in out
    for length in (12, len(told)):
        middle = told[len(told) // 2 - length // 2 :][:length]
        assert middle not in out


LONG = "".join(f"{number:x}/" for number in range(50)) + "<end>"
IN_LINES: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.encodebytes,
    "base64 on a terminal": lambda raw: base64.encodebytes(raw).replace(b"\n", b"\r\n"),
    "base64 of openssl": lambda raw: _in_lines(base64.b64encode(raw), 64),
    "xxd -p": lambda raw: _in_lines(raw.hex().encode(), 60),
}


def _in_lines(text: bytes, width: int) -> bytes:
    return b"\n".join(text[start : start + width] for start in range(0, len(text), width)) + b"\n"


@pytest.mark.parametrize("form", IN_LINES)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_value_is_hidden_where_a_program_breaks_lines(form: str, size: int) -> None:
    told = IN_LINES[form](LONG.encode())
    assert told.count(b"\n") > 2
    out = shown([LONG], told, size)
    assert out.startswith(MASK)
    assert len(out) <= len(MASK) + 6  # digits that depend on what follows, padding, an ending


@pytest.mark.parametrize("size", [1, 5, 7])
def test_a_line_of_a_value_inside_another_form_doesn_t_show_what_is_before_it(size: int) -> None:
    """Of values with several lines each line is hidden by itself as well."""
    told = quote("first: one&two\nsecond-line", safe="").encode()
    assert shown(["first: one&two\nsecond-line"], told, size) == MASK


@given(
    st.lists(st.text("ab", min_size=6, max_size=9), min_size=1, max_size=3),
    st.binary().map(lambda raw: bytes(b"ab \n"[byte % 4] for byte in raw)),
    st.integers(1, 20),
)
def test_no_value_gets_through_and_nothing_else_is_lost(
    values: list[str], text: bytes, size: int
) -> None:
    out = shown(values, text, size)
    for value in values:
        assert value.encode() not in out.replace(MASK, b"\0")
    if not any(value.encode() in text for value in values):
        assert out == text


def test_a_prompt_is_held_back_only_if_it_may_begin_a_value() -> None:
    masker = Masker(["password123"])
    assert masker.feed(b"Password: ") == b"Password: "
    assert not masker.holds
    assert masker.feed(b"Enter p") == b"Enter "
    assert masker.holds
    assert masker.release() == b"p"
    assert not masker.holds
    assert masker.release() == b""


def test_what_follows_a_released_beginning_is_hidden_all_the_same() -> None:
    masker = Masker(["password123"])
    out = masker.feed(b"Enter passw") + masker.release() + masker.feed(b"ord123 and more")
    assert out == b"Enter passw" + MASK + b" and more"
    assert masker.hidden == 1


def test_short_values_are_left_alone() -> None:
    assert shown(["abc", ""], b"abcdef", 2) == b"abcdef"


def test_the_longer_of_two_values_is_hidden_whole() -> None:
    assert shown(["secret", "secret-and-more"], b"a secret-and-more.", 5) == b"a " + MASK + b"."


def test_values_are_counted() -> None:
    masker = Masker(["secret-1"])
    masker.feed(b"secret-1 secret-1 secret-")
    assert masker.hidden == 2


def test_a_value_of_many_lines_holds_no_output_up() -> None:
    """Each line is a value to look for, and may begin wherever there are blanks."""
    lines = [f'    "key-{number}": "value-{number}",' for number in range(1_500)]
    told = (b" " * 200 + b"\n") * 300 + lines[700].encode() + b"\n"
    out = shown(["\n".join(lines)], told, 65_536)
    assert out == (b" " * 200 + b"\n") * 300 + b"    " + MASK + b"\n"
