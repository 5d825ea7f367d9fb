"""`gateway.injection.value_forms`."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.injection.value_forms import forms_of

VALUE = 'p@ss/w"ord+ü🗝<&>=?\n\\end'


def forms_in(text: bytes) -> set[str]:
    return {form for needle, form in forms_of(VALUE).items() if needle in text}


def _capital(pattern: str, text: str) -> str:
    return re.sub(pattern, lambda found: found[0].upper(), text)


def _small(pattern: str, text: str) -> str:
    return re.sub(pattern, lambda found: found[0].lower(), text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (VALUE, "as it is"),
        (json.dumps({"a": VALUE}), "JSON"),
        (json.dumps({"a": VALUE}, ensure_ascii=False), "JSON"),
        (json.dumps({"a": VALUE}).replace("/", "\\/"), "JSON"),
        ("https://x/?q=" + urllib.parse.quote(VALUE, safe=""), "URL"),
        ("https://x/" + urllib.parse.quote(VALUE), "URL"),
        (urllib.parse.urlencode({"q": VALUE}), "URL"),
        (_capital(r"(?<=\\u)[0-9a-f]{4}", json.dumps({"a": VALUE})), "JSON"),
        ("https://x/?q=" + urllib.parse.quote(VALUE, safe="!'()*"), "URL"),
        ("https://x/?q=" + _small("%..", urllib.parse.quote(VALUE, safe="")), "URL"),
        ("x=" + VALUE.encode().hex(), "hex"),
        ("x=" + VALUE.encode().hex().upper(), "hex"),
    ],
)
def test_each_encoding_is_found(text: str, form: str) -> None:
    assert form in forms_in(text.encode())


def test_percent_signs_of_the_value_are_kept_apart() -> None:
    needles = forms_of("100%Sure%AB")
    assert b"100%25Sure%25AB" in needles
    assert b"100%25sure%25ab" not in needles


@given(
    before=st.binary(max_size=7),
    value=st.text(st.characters(codec="utf-8"), min_size=8, max_size=40),
    after=st.binary(max_size=7),
)
def test_base64_is_found_wherever_the_value_begins(before: bytes, value: str, after: bytes) -> None:
    whole = before + value.encode() + after
    needles = [needle for needle, form in forms_of(value).items() if form == "base64"]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert any(needle in encode(whole) for needle in needles)
