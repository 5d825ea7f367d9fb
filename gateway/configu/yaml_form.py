"""YAML as far as a schema needs it: what JSON could say as well, and nothing twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from identity.errors import InvalidConfigSchema


class _Loader(yaml.SafeLoader):
    """Makes no objects, follows no aliases (a few lines of them are gigabytes), and refuses a name
    that is there twice.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias has no place here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise yaml.YAMLError("a name is there twice")
        return found


# The words of YAML 1.2's core schema, as Configu's client reads them: to YAML 1.1 the texts no, on
# and 2024-01-01 would be something else.
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+", list("-0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def strict_yaml(data: bytes) -> object:
    """The one document of `data`. Raises `InvalidConfigSchema`."""
    try:
        return yaml.load(data, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InvalidConfigSchema(f"it is not YAML that can be used: {said}") from None
