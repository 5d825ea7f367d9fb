"""`gateway.cli.import_formats`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.import_formats import portable_name, read_secrets
from identity.errors import InvalidSecretValue


def plain(text: str, kind: str = "auto") -> dict[str, str]:
    return {name: value.reveal() for name, value in read_secrets(text, kind).items()}


ENV = r"""
# a comment
PLAIN=value
export EXPORTED = spaced out
EMPTY=
COMMENT=value # not this
HASH=va#lue
SINGLE='as $it \n is # here'   # a comment
DOUBLE="tab\tline\nquote\" dollar\$ back\\slash #not"
MULTI="-----BEGIN-----
abc=
-----END-----"
MULTI_SINGLE='one
two'
REFERS=${OTHER}/x
dotted.name-x=1
URL=https://u:p@h/?a=b&c="d"
TWICE=first
TWICE=second
LAST=no newline"""


def test_an_env_file_as_others_read_it() -> None:
    assert plain(ENV) == {
        "PLAIN": "value",
        "EXPORTED": "spaced out",
        "EMPTY": "",
        "COMMENT": "value",
        "HASH": "va#lue",
        "SINGLE": r"as $it \n is # here",
        "DOUBLE": 'tab\tline\nquote" dollar$ back\\slash #not',
        "MULTI": "-----BEGIN-----\nabc=\n-----END-----",
        "MULTI_SINGLE": "one\ntwo",
        "REFERS": "${OTHER}/x",
        "dotted.name-x": "1",
        "URL": 'https://u:p@h/?a=b&c="d"',
        "TWICE": "second",
        "LAST": "no newline",
    }


# The facts of the suites of dotenv for Node, Ruby and Python and of Docker Compose, where they
# agree or where Node's, the most used one, has the say.
FACTS = [
    ("A=`b`", {"A": "b"}),
    ("A=`    b    `  # c", {"A": "    b    "}),
    ("A=``", {"A": ""}),
    ("A=`double \"quotes\" and single 'quotes'`", {"A": "double \"quotes\" and single 'quotes'"}),
    ("A=`a #b` # c\nB=`c`", {"A": "a #b", "B": "c"}),
    (
        "A=`-----BEGIN-----\nx=\n-----END-----`\nB=c",
        {"A": "-----BEGIN-----\nx=\n-----END-----", "B": "c"},
    ),
    ("A=`b\\n`", {"A": "b\\n"}),
    # A value of its own that begins with one.
    ("A=`b\nB=c", {"A": "`b", "B": "c"}),
    ("A=`b\nB=`c", {"A": "`b", "B": "`c"}),
    ("A=`b`c", {"A": "`b`c"}),
    ("A=1\rB=2\r\nC=3\r", {"A": "1", "B": "2", "C": "3"}),
    ('A="x\r\ny\rz"', {"A": "x\ny\nz"}),
    ("A =b", {"A": "b"}),
    ("    SPACED_KEY = parsed", {"SPACED_KEY": "parsed"}),
    ("export   A  =b", {"A": "b"}),
    ("A=equals==", {"A": "equals=="}),
    ('A={"foo": "bar"}', {"A": '{"foo": "bar"}'}),
    ("A=dont\\nexpand", {"A": "dont\\nexpand"}),
    ("FOO.BAR=foobar", {"FOO.BAR": "foobar"}),
    ("A='quote $FOO'", {"A": "quote $FOO"}),
    ('A="foo\\${BAR}"', {"A": "foo${BAR}"}),
    ('A="a\n\nb"', {"A": "a\n\nb"}),
    ("\n \t  \nA=b\n \nB=c", {"A": "b", "B": "c"}),
    ("# A=b\n", {}),
    ("A=b\v\f#c", {"A": "b"}),
]


@pytest.mark.parametrize(("text", "values"), FACTS)
def test_an_env_file_as_the_suites_of_others_have_it(text: str, values: dict[str, str]) -> None:
    assert plain(text, "env") == values


@pytest.mark.parametrize(
    "text",
    [
        "export A",
        "A",
        "A: b",
        "1A=b",
        "A+=b",
        "lol$wut",
        '"A"=b',
        'A="b',
        "A='b",
        'A="b\\"',
        'A="a"b',
        "A='a\\'b'",
        "set A=b",
    ],
)
def test_what_others_guess_at_is_refused(text: str) -> None:
    with pytest.raises(InvalidSecretValue, match="line 1"):
        read_secrets(text, "env")


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_it() -> None:
    assert plain("\ufeffA=1\r\nB='2'\r\n") == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nnonsense canary\n", "line 2 is no NAME=VALUE"),
        ("A='canary", "line 1 has no closing quote"),
        ('\nA="canary\n', "line 2 has no closing quote"),
        ('A="x" canary', "line 1 goes on after its closing quote"),
        ("=canary", "line 1 is no NAME=VALUE"),
        ("1A=canary", "line 1 is no NAME=VALUE"),
    ],
)
def test_a_broken_env_file_is_refused_by_line_without_its_text(text: str, message: str) -> None:
    with pytest.raises(InvalidSecretValue, match=message) as refused:
        read_secrets(text, "env")
    assert "canary" not in str(refused.value) + refused.value.hint


def test_doppler() -> None:
    flat = {"API_KEY": "a", "NUMBER": 5, "DOPPLER_PROJECT": "p", "DOPPLER_CONFIG": "dev"}
    assert plain(json.dumps(flat)) == {"API_KEY": "a", "NUMBER": "5"}
    long = {"API_KEY": {"computed": "a", "raw": "${X}", "note": ""}, "B": {"raw": "b"}}
    assert plain(json.dumps(long)) == {"API_KEY": "a", "B": "b"}


def test_infisical() -> None:
    exported = [{"key": "API_KEY", "value": "a", "type": "shared"}, {"key": "B", "value": ""}]
    assert plain(json.dumps(exported)) == {"API_KEY": "a", "B": ""}
    api = {"secrets": [{"secretKey": "API_KEY", "secretValue": "a"}]}
    assert plain(json.dumps(api), "infisical") == {"API_KEY": "a"}


def item(title: str, *fields: tuple[str, str, str]) -> dict[str, object]:
    return {
        "id": "x",
        "title": title,
        "fields": [
            {"id": "f", "type": kind, "label": label, "value": v} for kind, label, v in fields
        ],
    }


def test_1password() -> None:
    one = item(
        "Planner API",
        ("STRING", "username", "me"),
        ("CONCEALED", "api key", "a"),
        ("CONCEALED", "password", "b"),
        ("CONCEALED", "unset", ""),
    )
    assert plain(json.dumps(one)) == {"api-key": "a", "password": "b"}
    two = [one, item("Other", ("CONCEALED", "password", "c"))]
    assert plain(json.dumps(two)) == {
        "Planner-API-api-key": "a",
        "Planner-API-password": "b",
        "Other-password": "c",
    }


@pytest.mark.parametrize("text", ['{"KEY": "canary-a", "KEY": "canary-b"}', '{"KEY": NaN}'])
def test_json_that_readers_differ_about_is_not_imported(text: str) -> None:
    with pytest.raises(InvalidSecretValue, match="not JSON, or has a name twice") as refused:
        read_secrets(text, "doppler")
    assert "canary" not in str(refused.value)


def test_two_values_for_a_name_are_not_chosen_from() -> None:
    twice = item("x", ("CONCEALED", "key", "canary-a"), ("CONCEALED", "key", "canary-b"))
    with pytest.raises(InvalidSecretValue, match="two values for key") as refused:
        read_secrets(json.dumps(twice))
    assert "canary" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("text", ["{}", "[]", "[1]", "[[]]", "{", "[" * 100_000, '{"a": null}'])
def test_json_without_secrets_is_refused(text: str) -> None:
    with pytest.raises(InvalidSecretValue):
        read_secrets(text)


@pytest.mark.parametrize("kind", ["1password", "doppler", "infisical"])
@pytest.mark.parametrize(
    "text", ["{}", "[]", "5", "null", '"x"', '[{"fields": 5}]', '{"fields": 5}']
)
def test_json_of_another_shape_is_refused_or_read(text: str, kind: str) -> None:
    try:
        plain(text, kind)
    except InvalidSecretValue:
        return
    assert (text, kind) == ('{"fields": 5}', "doppler") or kind == "infisical"


def test_names_become_portable() -> None:
    assert portable_name("My API key (prod)") == "My-API-key-prod"
    assert portable_name("ünï") == "n"
    assert portable_name("--a..b--") == "a..b"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in ("auto", "env", "1password", "doppler", "infisical"):
        try:
            read_secrets(text, kind)
        except InvalidSecretValue:
            continue


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0'\r"), max_size=60))
def test_single_quotes_keep_any_value(value: str) -> None:
    assert plain(f"A='{value}'\n", "env") == {"A": value}
