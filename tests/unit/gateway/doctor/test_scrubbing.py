"""Nothing of a value is left, and what isn't secret is."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doctor.scrubbing import REDACTED, Scrubber
from gateway.injection.value_forms import forms_of

#: What a value is replaced by isn't one.
_VALUES = st.text(min_size=8, max_size=60).filter(
    lambda text: len(text.strip()) >= 8 and text.strip() not in REDACTED
)


@given(value=_VALUES, before=st.binary(max_size=3), after=st.text(max_size=4))
def test_no_form_of_a_value_is_left(value: str, before: bytes, after: str) -> None:
    value = value.strip()
    scrubber = Scrubber([value], {})
    texts = [form.decode() for form in forms_of(value)]
    texts.append(base64.b64encode(before + value.encode()).decode())
    for text in texts:
        clean = scrubber.clean(f"{before!r}{text}{after}")
        assert not any(form.decode() in clean for form in forms_of(value))


@given(value=_VALUES, depth=st.integers(0, 3))
def test_not_in_json_either_however_deep(value: str, depth: int) -> None:
    value = value.strip()
    inner: object = {f"x{value}": [value, {"y": f"a{value}b"}]}
    for _ in range(depth):
        inner = [inner]
    text = json.dumps(Scrubber([value], {}).cleaned(inner))
    assert not any(form.decode() in text for form in forms_of(value))


def test_each_line_of_a_key_is_a_value() -> None:
    scrubber = Scrubber(["-- begin\nline-one-of-it\nline-two-of-it\n"], {})
    assert scrubber.clean("it was line-two-of-it alone") == f"it was {REDACTED} alone"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefgh12",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln",
        "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
        "https://ada:geheim@host/x",
        "https://ada:mit/und@geheim@host/x",
        "GET /x?token=geheim HTTP/1.1",
        "https://host/back#access_token=geheim",
        "answered grant_type=refresh&client_secret=geheim&x=1",
        'sent {"refresh_token": "geheim", "x": 1}',
        "sent X-Api-Key: geheim",
        "sent Cookie: session=geheim; x=1",
        "dwgw_0123456789abcdef",
        "sk-proj-0123456789",
        "lsv2_pt_0123456789",
        "ghp_0123456789abcdef",
        "AKIA0123456789ABCDEF",
        "x Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRkdI y",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    clean = Scrubber([], {}).clean(text)
    assert REDACTED in clean
    assert not {"geheim", "MIGH", "abcdefgh12", "0123456789"} & set(
        re.findall("[A-Za-z0-9]+", clean)
    )


@pytest.mark.parametrize(
    "text",
    [
        "the server's issuer is not in the trust bundle",
        "serial 12bd63624d0a60541a650e335036d23edf1d6cb7",
        "sha256:" + "ab" * 32,
        "spiffe://acme.example/agent/planner",
        "/home/x/devwiz-gw.toml",
        "TLS_AES_256_GCM_SHA384",
        "127.0.0.1:8701",
        'set token_secret = "supabase" in devwiz-gw.toml',
        "the secret is missing: devwiz-gw secret set supabase",
    ],
)
def test_what_helps_is_left(text: str) -> None:
    assert Scrubber([], {}).clean(text) == text


def test_names_are_whole_words() -> None:
    scrubber = Scrubber([], {"ada": "user", "/home/ada": "~", "": "x"})
    assert scrubber.clean("/home/ada/x of ada, not adapter") == "~/x of user, not adapter"


def test_addresses_are_numbered_where_that_is_asked() -> None:
    text = "10.0.0.5:443, 10.0.0.6, 10.0.0.5 and 127.0.0.1"
    assert Scrubber([], {}).clean(text) == text
    clean = Scrubber([], {}, addresses=True).clean(text)
    assert clean == "address-1:443, address-2, address-1 and 127.0.0.1"


def test_those_of_ipv6_too() -> None:
    text = f"[2001:db8::5]:443, fe80::1 and ::1 at 12:30:45, sha256 {':'.join(['AB'] * 32)}"
    clean = Scrubber([], {}, addresses=True).clean(text)
    assert clean == text.replace("2001:db8::5", "address-1").replace("fe80::1", "address-2")


def test_values_that_are_too_short_are_left_to_the_choice_of_members() -> None:
    assert Scrubber(["abc"], {}).clean("abcabc") == "abcabc"
