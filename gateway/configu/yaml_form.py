"""YAML as far as a schema needs it: what JSON could say as well, and nothing twice."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import yaml

from identity.errors import InvalidConfigSchema

_TAG: Final = "tag:yaml.org,2002:"
_TRUTH: Final = {"true": True, "false": False}
_BASES: Final = {"0o": 8, "0x": 16}
_FLOAT: Final = (
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class _Loader(yaml.SafeLoader):
    """Makes no objects, follows no aliases (a few lines of them are gigabytes), and refuses a name
    that is there twice.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias has no place here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        raw = super().construct_mapping(node, deep=deep)
        found = {_name(key): value for key, value in raw.items()}
        if len(found) != len(node.value):
            raise yaml.YAMLError("a name is there twice")
        return found

    def construct_bool(self, node: Any) -> bool:
        """See YAML 1.2.2 section 10.3.2, as for the next ones."""
        text = str(self.construct_scalar(node)).lower()
        if text not in _TRUTH:
            raise yaml.YAMLError("a truth value is neither true nor false")
        return _TRUTH[text]

    def construct_int(self, node: Any) -> int:
        text = str(self.construct_scalar(node))
        base = _BASES.get(text[:2])
        return int(text) if base is None else int(text[2:], base)

    def construct_float(self, node: Any) -> float:
        text = str(self.construct_scalar(node))
        value = math.nan if text.lower().lstrip("+-") in {".inf", ".nan"} else float(text)
        if not math.isfinite(value):
            raise yaml.YAMLError("a number is none of JSON's")
        return value


def _name(key: object) -> str:
    """The name in a mapping: a number is its text, as for JavaScript."""
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if not isinstance(key, str):
        raise yaml.YAMLError("a name is no text: put it in quotes")
    return key


# Other tags, also those of YAML's own that JSON has nothing for (dates, sets, binaries), are
# refused.
_Loader.yaml_constructors = {
    name: yaml.SafeLoader.yaml_constructors[name]
    for name in (None, *(_TAG + kind for kind in ("null", "str", "seq", "map")))
}
_Loader.add_constructor(f"{_TAG}bool", _Loader.construct_bool)
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_int)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_float)
# The words of YAML 1.2's core schema, as Configu's client reads them: to YAML 1.1 the texts no, on
# and 2024-01-01 would be something else.
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


def strict_yaml(data: bytes) -> object:
    """The one document of `data`. Raises `InvalidConfigSchema`."""
    try:
        return yaml.load(data, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InvalidConfigSchema(f"it is not YAML that can be used: {said}") from None
