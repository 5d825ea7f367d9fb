"""`.cfgu` schemas: which configs there are, and what their values must be like. Pure.

Both forms are read that Configu has had: keys at the top with a `type`, and keys below `keys`.
What would have to be computed by JavaScript (`const` and `template` with expressions) has no value
here; a `test` counts where it is one of those by which Configu itself writes a `type`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from identity.configu import json_schema
from identity.configu.config_set import check_name
from identity.configu.json_form import form_of, parsed
from identity.configu.pattern import compiled
from identity.configu.value_types import CHECKS, Check
from identity.errors import ConfigRefused, InvalidConfigName, InvalidConfigSchema

_TEXTS: Final = frozenset({"type", "pattern", "template", "const", "description"})
_FLAGS: Final = frozenset({"required", "hidden", "lazy"})
_LISTS: Final = frozenset({"enum", "options", "depends"})
_OTHERS: Final = frozenset({"default", "schema", "test", "label", "labels"})
_KNOWN: Final = _TEXTS | _FLAGS | _LISTS | _OTHERS
#: Of each of these a declaration has one at most.
_EXCLUSIVE: Final = (
    frozenset({"lazy", "const", "default"}),
    frozenset({"lazy", "template", "default"}),
    frozenset({"required", "default"}),
    frozenset({"required", "template"}),
)
_TEST: Final = re.compile(
    r"validator\.is([A-Za-z0-9]+)\(\$\.(?:storedValue|value)(?:, ?(.{1,40}))?\)"
)
#: Validators of Configu's tests: the type that takes the same.
_VALIDATORS: Final = {
    ("Boolean", "{ loose: true }"): "Boolean",
    ("Numeric", ""): "Number",
    ("UUID", ""): "UUID",
    ("SemVer", ""): "SemVer",
    ("Email", ""): "Email",
    ("MobilePhone", ""): "MobilePhone",
    ("Locale", ""): "Locale",
    ("LatLong", ""): "LatLong",
    ("IP", "4"): "IPv4",
    ("IP", "6"): "IPv6",
    ("FQDN", ""): "Domain",
    ("URL", ""): "URL",
    ("Hexadecimal", ""): "Hex",
    ("Base64", ""): "Base64",
    ("Hash", '"md5"'): "MD5",
    ("ISO4217", ""): "Currency",
    ("MACAddress", ""): "MACAddress",
    ("MimeType", ""): "MIMEType",
    ("MongoId", ""): "MongoId",
    ("ISO6391", ""): "Language",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cfgu:
    """The declaration of one config.

    Attributes:
        computed: why it has no value here, or "".
        fixed: the value that the declaration itself has; "" for none.
        unchecked: how many tests there are that are not known here.
        declared: what `declaration` makes this of.
    """

    key: str
    required: bool = False
    default: str = ""
    fixed: str = ""
    computed: str = ""
    pattern: str = ""
    checks: tuple[tuple[str, Check], ...] = ()
    options: frozenset[str] | None = None
    enum: frozenset[str] | None = None
    json_schema: Any = None
    depends: tuple[str, ...] = ()
    unchecked: int = 0
    declared: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def has_expressions(self) -> bool:
        """Whether somebody else's expressions are in it, whose match may take for ever."""
        return bool(self.pattern) or self.json_schema is not None

    def problem(self, value: str) -> str:
        """Why the value is none for this config, or ""; nothing of the value is in it."""
        for name, check in self.checks:
            if not check(value):
                return f"it is not of type {name}"
        if self.pattern and not compiled(self.pattern).search(value):
            return "it doesn't match the pattern"
        if self.options is not None and value not in self.options:
            return "it is none of the options"
        if self.enum is not None and form_of(parsed(value)) not in self.enum:
            return "it is none of those in the enum"
        if self.json_schema is not None and not json_schema.fits(parsed(value), self.json_schema):
            return "it is not as its JSON schema says"
        return ""


Schema = Mapping[str, Cfgu]
#: What is wrong with a value for a config, or "". Raises `ConfigRefused` where it doesn't look.
Checker = Callable[[Cfgu, str], str]


def read_schema(contents: object) -> dict[str, Cfgu]:
    """The declarations in a schema's file, whose JSON or YAML is `contents`.

    Raises:
        InvalidConfigSchema: the first thing that is wrong.
    """
    keys = _keys(contents)
    if not keys:
        raise InvalidConfigSchema("it declares no config")
    found: dict[str, Cfgu] = {}
    for key, raw in keys.items():
        try:
            check_name(str(key), "config")
        except InvalidConfigName as error:
            raise InvalidConfigSchema(str(error), hint=error.hint) from None
        found[key] = declaration(key, {} if raw is None else raw)
    for cfgu in found.values():
        if missing := [name for name in cfgu.depends if name not in found]:
            raise InvalidConfigSchema(f"{cfgu.key} depends on {missing[0]}, which isn't declared")
    return found


def declaration(key: str, raw: object) -> Cfgu:
    """One declaration, whose JSON is `raw`. Raises `InvalidConfigSchema`."""
    return _Reader(key, raw).cfgu()


def merged(schemas: Iterable[Schema]) -> dict[str, Cfgu]:
    """All of them. Raises `InvalidConfigSchema` where two declare the same config."""
    found: dict[str, Cfgu] = {}
    for schema in schemas:
        if twice := sorted(set(schema) & set(found)):
            raise InvalidConfigSchema(
                f"{twice[0]} is declared in two schemas", hint="keep the one that counts"
            )
        found.update(schema)
    return found


def evaluated(schema: Schema, stored: Mapping[str, str]) -> dict[str, str]:
    """What each config comes to: what is stored, else its default. Those without are left out."""
    values: dict[str, str] = {}
    for key, cfgu in schema.items():
        if not cfgu.computed and (value := cfgu.fixed or stored.get(key) or cfgu.default):
            values[key] = value
    return values


def problems(
    schema: Schema, values: Mapping[str, str], check: Checker = Cfgu.problem
) -> dict[str, str]:
    """What is wrong, by config; nothing of a value is in it. What `check` refuses to look at
    counts as wrong.
    """
    found: dict[str, str] = {}
    for key, cfgu in schema.items():
        if cfgu.computed:
            continue
        if key not in values:
            if cfgu.required:
                found[key] = "it is required, and has no value"
        elif problem := _checked(cfgu, values[key], check):
            found[key] = problem
        elif lacking := [name for name in cfgu.depends if name not in values]:
            found[key] = f"it depends on {lacking[0]}, which has no value"
    return found


def _checked(cfgu: Cfgu, value: str, check: Checker) -> str:
    try:
        return check(cfgu, value)
    except ConfigRefused as refused:
        return str(refused)


def _keys(contents: object) -> dict[str, Any]:
    if not isinstance(contents, dict):
        raise InvalidConfigSchema("a schema should be an object")
    inner = contents.get("keys")
    is_newer = isinstance(inner, dict) and all(
        item is None or isinstance(item, dict) for item in inner.values()
    )
    if not is_newer:
        return contents
    if others := set(contents) - {"keys", "$schema"}:
        raise InvalidConfigSchema(f"{sorted(map(str, others))[0]!r} has no place beside 'keys'")
    return dict(inner or {})


class _Reader:
    """Reads one declaration."""

    def __init__(self, key: str, raw: object) -> None:
        self._key = key
        if not isinstance(raw, dict):
            raise self._bad("should be an object")
        self._raw: dict[str, Any] = raw

    def cfgu(self) -> Cfgu:
        self._check_shape()
        raw = self._raw
        unknown, checks = self._tests()
        fixed, computed = self._computed()
        return Cfgu(
            key=self._key,
            required=raw.get("required", False),
            default=_text_of(raw["default"]) if raw.get("default") not in (None, "") else "",
            fixed=fixed,
            computed=computed,
            pattern=self._pattern(),
            checks=(*self._type(), *checks),
            options=frozenset(map(_text_of, raw["options"])) if "options" in raw else None,
            enum=frozenset(map(form_of, raw["enum"])) if "enum" in raw else None,
            json_schema=self._json_schema(),
            depends=tuple(map(str, raw.get("depends", ()))),
            unchecked=unknown,
            declared=raw,
        )

    def _check_shape(self) -> None:
        raw = self._raw
        for name, value in raw.items():
            if name not in _KNOWN:
                raise self._bad(f"has an unknown property {str(name)[:40]!r}")
            if name in _TEXTS and not (isinstance(value, str) and value):
                raise self._bad(f"should have a text as its {name}")
            if name in _FLAGS and not isinstance(value, bool):
                raise self._bad(f"should have true or false as its {name}")
            if name in _LISTS and not (isinstance(value, list) and value):
                raise self._bad(f"should have a list as its {name}")
        said = {name for name, value in raw.items() if value is not False}
        for group in _EXCLUSIVE:
            if len(both := sorted(group & said)) > 1:
                raise self._bad(f"can't have both {both[0]} and {both[1]}")

    def _type(self) -> tuple[tuple[str, Check], ...]:
        name = self._raw.get("type")
        if name is None:
            return ()
        if name not in CHECKS:
            raise self._bad(f"has the unknown type {name[:40]!r}")
        for kind, needed in (("RegEx", "pattern"), ("JSONSchema", "schema")):
            if name == kind and needed not in self._raw:
                raise self._bad(f"is of type {kind}, and has no {needed}")
        return ((name, CHECKS[name]),)

    def _tests(self) -> tuple[int, list[tuple[str, Check]]]:
        """How many are not known, and the others."""
        told = self._raw.get("test", [])
        tests = told if isinstance(told, list) else [told]
        if not all(isinstance(test, str) and test for test in tests):
            raise self._bad("should have a text, or several, as its test")
        names = [_validator(test) for test in tests if test != "true"]
        known = [(name, CHECKS[name]) for name in names if name]
        return len(names) - len(known), known

    def _pattern(self) -> str:
        pattern = str(self._raw.get("pattern", ""))
        try:
            compiled(pattern)
        except ValueError as error:
            raise self._bad(f"has a pattern that can't be used: {error}") from None
        return pattern

    def _json_schema(self) -> Any:
        schema = self._raw.get("schema")
        if schema is not None and (problem := json_schema.check_schema(schema)):
            raise self._bad(f"can't be checked: {problem}")
        return schema

    def _computed(self) -> tuple[str, str]:
        """The value of a declaration that has one, and why there is none."""
        if self._raw.get("lazy"):
            return "", "it is lazy: its value comes from elsewhere"
        for name in ("const", "template"):
            text = str(self._raw.get(name, ""))
            if any(sign in text for sign in ("${", "{{", "`", "\\")):
                return "", f"its {name} is computed, which Configu's own client does"
            if text:
                return text, ""
        return "", ""

    def _bad(self, what: str) -> InvalidConfigSchema:
        return InvalidConfigSchema(f"{self._key} {what}")


def _validator(test: str) -> str:
    match = _TEST.fullmatch(test.strip())
    return _VALIDATORS.get((match[1], (match[2] or "").replace("'", '"')), "") if match else ""


def _text_of(value: object) -> str:
    """A value as Configu stores it."""
    return value if isinstance(value, str) else form_of(value)
