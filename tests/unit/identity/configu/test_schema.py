from __future__ import annotations

from typing import Any

import pytest

from identity.configu.schema import Cfgu, evaluated, merged, problems, read_schema
from identity.errors import InvalidConfigSchema


def one(**raw: Any) -> Cfgu:
    return read_schema({"A": raw, "B": {}})["A"]


@pytest.mark.parametrize(
    "contents",
    [
        {"A": {"type": "String"}, "B": {}},
        {"keys": {"A": {"description": "d"}, "B": None}},
        {"$schema": "https://x", "keys": {"A": {}, "B": {}}},
    ],
)
def test_both_forms_are_read(contents: Any) -> None:
    assert list(read_schema(contents)) == ["A", "B"]


def test_a_config_may_be_called_keys() -> None:
    assert list(read_schema({"keys": {"type": "String"}, "B": {}})) == ["keys", "B"]


@pytest.mark.parametrize(
    ("raw", "good", "bad", "why"),
    [
        ({"type": "Number"}, "1", "x", "type Number"),
        ({"pattern": "^a+$"}, "aa", "ab", "pattern"),
        ({"type": "RegEx", "pattern": "a"}, "ba", "b", "pattern"),
        ({"options": ["a", "b"]}, "b", "c", "options"),
        ({"enum": ["a", 1, True]}, "1", "2", "enum"),
        ({"enum": [1]}, "1.0", "true", "enum"),
        ({"schema": {"type": "object", "required": ["x"]}}, '{"x":1}', "{}", "JSON schema"),
        ({"test": "validator.isEmail($.storedValue)"}, "a@b.example", "a", "type Email"),
        ({"test": ["validator.isIP($.storedValue, 4)", "true"]}, "1.2.3.4", "::1", "type IPv4"),
    ],
)
def test_a_value_is_checked(raw: dict[str, Any], good: str, bad: str, why: str) -> None:
    cfgu = one(**raw)
    assert cfgu.problem(good) == ""
    assert why in cfgu.problem(bad)
    assert cfgu.unchecked == 0


def test_a_test_that_is_not_known_is_counted() -> None:
    assert one(test=["isEven($.value)", "validator.isURL($.value)"]).unchecked == 1


@pytest.mark.parametrize(
    "raw",
    [
        {"const": "a${$.configs.B.value}"},
        {"template": "{{B}}"},
        {"lazy": True},
    ],
)
def test_what_is_computed_has_no_value_here(raw: dict[str, Any]) -> None:
    cfgu = one(**raw)
    assert cfgu.computed
    assert evaluated({"A": cfgu}, {"A": "stored"}) == {}
    assert problems({"A": cfgu}, {}) == {}


def test_where_a_value_comes_from() -> None:
    schema = read_schema(
        {"S": {"default": "d"}, "D": {"default": 5}, "E": {}, "F": {"const": "fixed"}, "N": None}
    )
    assert evaluated(schema, {"S": "stored", "E": "", "F": "other"}) == {
        "S": "stored",
        "D": "5",
        "F": "fixed",
    }


def test_what_is_required_or_depended_on() -> None:
    schema = read_schema({"A": {"required": True}, "B": {"depends": ["C"]}, "C": {}, "D": {}})
    assert problems(schema, {"B": "1"}) == {
        "A": "it is required, and has no value",
        "B": "it depends on C, which has no value",
    }
    assert problems(schema, {"A": "1", "B": "1", "C": "1"}) == {}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"unknown": 1}, "unknown property"),
        ({"type": "Text"}, "unknown type"),
        ({"type": ""}, "text as its type"),
        ({"type": "RegEx"}, "no pattern"),
        ({"type": "JSONSchema"}, "no schema"),
        ({"pattern": "("}, "pattern"),
        ({"required": "yes"}, "true or false"),
        ({"options": "a"}, "list"),
        ({"enum": []}, "list"),
        ({"test": [1]}, "test"),
        ({"schema": {"$ref": "x"}}, "can't be checked"),
        ({"depends": ["X"]}, "isn't declared"),
        ({"required": True, "default": "a"}, "both default and required"),
        ({"lazy": True, "const": "a"}, "both const and lazy"),
        ({"template": "a", "default": "a"}, "both default and template"),
    ],
)
def test_a_declaration_that_can_not_be_is_refused(raw: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfigSchema, match=why):
        one(**raw)


def test_false_is_not_said() -> None:
    assert one(required=False, default="a").default == "a"


@pytest.mark.parametrize(
    "contents",
    [
        None,
        [],
        "A",
        {},
        {"keys": {}},
        {"a b": {}},
        {"this": {}},
        {"A": 1},
        {"keys": {"A": {}}, "x": 1},
    ],
)
def test_another_shape_is_refused(contents: Any) -> None:
    with pytest.raises(InvalidConfigSchema):
        read_schema(contents)


def test_two_schemas_may_not_declare_the_same() -> None:
    first, second = read_schema({"A": {}}), read_schema({"B": {}})
    assert set(merged([first, second])) == {"A", "B"}
    with pytest.raises(InvalidConfigSchema, match="A is declared in two"):
        merged([first, second, first])
