"""JSON Schema, as far as a declaration of a config's value needs it. Pure.

The keywords are those of the draft 2020-12 that look at one value by itself. A schema with any
other one is refused when it is read, so that no rule is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from identity.configu.json_form import form_of
from identity.configu.pattern import compiled


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value % 1 == 0,
}
_REMARKS: Final = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "nullable"}
)


def check_schema(schema: object) -> str:
    """What is wrong with the schema, or ""."""
    if isinstance(schema, bool):
        return ""
    if not isinstance(schema, dict):
        return "a JSON schema should be an object"
    for name, rule in schema.items():
        if name in _REMARKS:
            continue
        if name not in _RULES:
            return f"the JSON schema's keyword {name[:40]!r} is not known here"
        if problem := _rule_problem(name, rule):
            return problem
    return ""


def fits(value: Any, schema: Any) -> bool:
    """Whether `value` is as a schema wants it that `check_schema` let pass."""
    if isinstance(schema, bool):
        return schema
    return all(_RULES[name](value, rule, schema) for name, rule in schema.items() if name in _RULES)


def _rule_problem(name: str, rule: Any) -> str:
    is_good = _FORMS.get(name, _is_number)
    if not is_good(rule):
        return f"the JSON schema's {name!r} is not as it should be"
    return next(filter(None, map(check_schema, _inner(name, rule))), "")


def _inner(name: str, rule: Any) -> Iterable[Any]:
    """The schemas within a rule."""
    if name in {"properties", "patternProperties"}:
        return list(rule.values())
    if name in {"allOf", "anyOf", "oneOf"}:
        return list(rule)
    return [rule] if name in _HOLDERS else []


def _compiles(pattern: object) -> bool:
    try:
        return isinstance(pattern, str) and compiled(pattern) is not None
    except ValueError:
        return False


def _type(value: Any, rule: Any, _schema: Any) -> bool:
    return any(_TYPES[name](value) for name in (rule if isinstance(rule, list) else [rule]))


def _properties(value: Any, rule: Any, _schema: Any) -> bool:
    return not isinstance(value, dict) or all(
        fits(value[name], inner) for name, inner in rule.items() if name in value
    )


def _pattern_properties(value: Any, rule: Any, _schema: Any) -> bool:
    return not isinstance(value, dict) or all(
        fits(item, inner)
        for pattern, inner in rule.items()
        for name, item in value.items()
        if compiled(pattern).search(name)
    )


def _additional(value: Any, rule: Any, schema: Mapping[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    patterns = [compiled(text) for text in schema.get("patternProperties", {})]
    known = schema.get("properties", {})
    return all(
        fits(item, rule)
        for name, item in value.items()
        if name not in known and not any(pattern.search(name) for pattern in patterns)
    )


def _of(kind: Callable[[Any], bool], test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """A rule that says something of values of one kind only."""
    return lambda value, rule, _schema: not kind(value) or test(value, rule)


def _is_multiple(value: float, rule: float) -> bool:
    if not rule:
        return False
    if isinstance(value, int) and isinstance(rule, int):
        return value % rule == 0
    try:
        return float(value / rule).is_integer()
    except OverflowError:  # no float is so large
        return False


def _unique(value: list[Any], rule: Any) -> bool:
    return not rule or len({form_of(item) for item in value}) == len(value)


def _are_types(rule: Any) -> bool:
    names = rule if isinstance(rule, list) else [rule]
    return all(isinstance(name, str) and name in _TYPES for name in names)


def _are_texts(rule: Any) -> bool:
    return isinstance(rule, list) and all(isinstance(item, str) for item in rule)


def _is_full(rule: Any) -> bool:
    return isinstance(rule, list) and bool(rule)


def _are_patterns(rule: Any) -> bool:
    return isinstance(rule, dict) and all(map(_compiles, rule))


def _is_anything(_rule: Any) -> bool:
    return True


#: Rules that are a schema each.
_HOLDERS: Final = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})
#: What a rule must be like, where it isn't a number.
_FORMS: Final[dict[str, Callable[[Any], bool]]] = {
    **dict.fromkeys((*_HOLDERS, "const"), _is_anything),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "enum"), _is_full),
    "properties": _TYPES["object"],
    "patternProperties": _are_patterns,
    "type": _are_types,
    "pattern": _compiles,
    "required": _are_texts,
    "uniqueItems": _TYPES["boolean"],
}
_text, _list, _object = (_TYPES[name] for name in ("string", "array", "object"))
_Rule = Callable[[Any, Any, Any], bool]
_RULES: Final[dict[str, _Rule]] = {
    "type": _type,
    "enum": lambda value, rule, _: form_of(value) in {form_of(item) for item in rule},
    "const": lambda value, rule, _: form_of(value) == form_of(rule),
    "allOf": lambda value, rule, _: all(fits(value, inner) for inner in rule),
    "anyOf": lambda value, rule, _: any(fits(value, inner) for inner in rule),
    "oneOf": lambda value, rule, _: sum(fits(value, inner) for inner in rule) == 1,
    "not": lambda value, rule, _: not fits(value, rule),
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "propertyNames": _of(_object, lambda value, rule: all(fits(name, rule) for name in value)),
    "required": _of(_object, lambda value, rule: all(name in value for name in rule)),
    "minProperties": _of(_object, lambda value, rule: len(value) >= rule),
    "maxProperties": _of(_object, lambda value, rule: len(value) <= rule),
    "items": _of(_list, lambda value, rule: all(fits(item, rule) for item in value)),
    "contains": _of(_list, lambda value, rule: any(fits(item, rule) for item in value)),
    "minItems": _of(_list, lambda value, rule: len(value) >= rule),
    "maxItems": _of(_list, lambda value, rule: len(value) <= rule),
    "uniqueItems": _of(_list, _unique),
    "minLength": _of(_text, lambda value, rule: len(value) >= rule),
    "maxLength": _of(_text, lambda value, rule: len(value) <= rule),
    "pattern": _of(_text, lambda value, rule: compiled(rule).search(value) is not None),
    "minimum": _of(_is_number, lambda value, rule: value >= rule),
    "maximum": _of(_is_number, lambda value, rule: value <= rule),
    "exclusiveMinimum": _of(_is_number, lambda value, rule: value > rule),
    "exclusiveMaximum": _of(_is_number, lambda value, rule: value < rule),
    "multipleOf": _of(_is_number, _is_multiple),
}
