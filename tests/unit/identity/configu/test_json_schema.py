from __future__ import annotations

from typing import Any

import pytest

from identity.configu.json_schema import check_schema, fits


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (True, 1, None),
        ({"type": "integer"}, 1.0, 1.5),
        ({"type": "integer"}, 1, True),
        ({"type": ["string", "null"]}, None, 1),
        ({"enum": [1, "a"]}, 1.0, True),
        ({"const": {"a": 1}}, {"a": 1.0}, {"a": 2}),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, 2, 4),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, 5, 4),
        ({"oneOf": [{"minimum": 1}, {"minimum": 5}]}, 2, 6),
        ({"not": {"type": "string"}}, 1, "a"),
        ({"properties": {"a": {"type": "string"}}}, {"b": 1}, {"a": 1}),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"x1": "a", "y": 1}, {"x1": 1}),
        (
            {
                "properties": {"a": True},
                "patternProperties": {"^x": True},
                "additionalProperties": False,
            },
            {"a": 1, "x": 1},
            {"b": 1},
        ),
        ({"propertyNames": {"maxLength": 1}}, {"a": 1}, {"ab": 1}),
        ({"required": ["a"]}, {"a": 1}, {}),
        ({"minProperties": 1, "maxProperties": 1}, {"a": 1}, {}),
        ({"items": {"type": "string"}}, ["a"], ["a", 1]),
        ({"contains": {"type": "string"}}, [1, "a"], [1]),
        ({"minItems": 1, "maxItems": 2}, [1], [1, 2, 3]),
        ({"uniqueItems": True}, [1, True, "1"], [1, 1.0]),
        ({"uniqueItems": False}, [1, 1], None),
        ({"minLength": 2, "maxLength": 3}, "ab", "a"),
        ({"pattern": "^a"}, "ab", "ba"),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, 2, 3),
        ({"multipleOf": 0.5}, 1.5, 1.6),
        ({"multipleOf": 5}, 5 * 10**400, 10**400 + 1),
        ({"multipleOf": 0.5}, 0, 10**400),
        ({"type": "integer"}, 10**400, 0.5),
        ({"title": "t", "description": "d"}, 1, None),
    ],
)
def test_a_value_is_as_the_schema_says(schema: Any, good: Any, bad: Any) -> None:
    assert check_schema(schema) == ""
    assert fits(good, schema)
    if bad is not None:
        assert not fits(bad, schema)


def test_rules_for_one_kind_say_nothing_of_others() -> None:
    assert fits(
        "text", {"minimum": 5, "required": ["a"], "minItems": 2, "properties": {"a": False}}
    )
    assert fits(
        5, {"pattern": "^a", "patternProperties": {"a": False}, "additionalProperties": False}
    )


@pytest.mark.parametrize(
    "schema",
    [
        1,
        {"$ref": "#/x"},
        {"format": "email"},
        {"type": "text"},
        {"pattern": "("},
        {"pattern": 1},
        {"patternProperties": {"(": True}},
        {"enum": []},
        {"required": [1]},
        {"required": "a"},
        {"minimum": "1"},
        {"uniqueItems": 1},
        {"properties": []},
        {"properties": {"a": {"$ref": "x"}}},
        {"allOf": [{"$ref": "x"}]},
        {"items": [True]},
        {"not": {"$ref": "x"}},
    ],
)
def test_a_rule_that_is_not_known_is_not_passed_over(schema: Any) -> None:
    assert "JSON schema" in check_schema(schema)
