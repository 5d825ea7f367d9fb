"""What can follow what on a command line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: Names that the configuration tells.
NAMES: Final = ("secrets", "routes", "variables", "identities", "tokens", "rotations")
Kind = Literal[
    "",
    "words",
    "files",
    "folders",
    "command",
    "secrets",
    "routes",
    "variables",
    "identities",
    "tokens",
    "rotations",
]


@dataclass(frozen=True, slots=True)
class Value:
    """What can stand in one place: `words` of its own, or what the kind says. "" is anything."""

    kind: Kind = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """`value` is None where the option has none, or need not."""

    flags: tuple[str, ...]
    summary: str
    value: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command by its words, without the program's; "" is the program itself."""

    path: str
    commands: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    places: tuple[Value, ...]
    #: Whether the last place can be filled again and again.
    repeats: bool = False
