"""Config sets: paths of which each adds to those before, the deepest counting most. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from identity.errors import InvalidConfigName

DEFAULT_ENDPOINT: Final = "https://api.configu.com"
#: Set and key.
ConfigKey = tuple[str, str]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_RESERVED: Final = frozenset({"_", "-", "this", "cfgu"})
_HINT: Final = "use A–Z, a–z, 0–9, '_' and '-', and none of: _, -, this, cfgu"


@dataclass(frozen=True, slots=True)
class ConfigSet:
    """A set by its path: "" is the root, "prod/eu" is below "prod"; a slash in front is left out.

    Raises:
        InvalidConfigName: Configu knows no such path.
    """

    path: str

    def __post_init__(self) -> None:
        path = self.path.removeprefix("/")
        for name in path.split("/") if path else ():
            check_name(name, "config set")
        object.__setattr__(self, "path", path)

    @property
    def hierarchy(self) -> tuple[str, ...]:
        """The sets that count here, the root first."""
        names = self.path.split("/") if self.path else []
        return ("", *("/".join(names[:count]) for count in range(1, len(names) + 1)))


def check_name(name: str, what: str) -> None:
    """Raises `InvalidConfigName` unless `name` can be a key, or a part of a set's path."""
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise InvalidConfigName(f"{name[:80]!r} can't be the name of a {what}", hint=_HINT)


def effective(
    found: Mapping[ConfigKey, str], hierarchy: Iterable[str], keys: Iterable[str]
) -> dict[str, str]:
    """What each key comes to: its value in the deepest set that has one. A value without a
    character is none.
    """
    sets = tuple(hierarchy)
    values: dict[str, str] = {}
    for key in keys:
        for name in sets:
            if value := found.get((name, key)):
                values[key] = value
    return values
