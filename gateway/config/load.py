"""From a file to a checked `Config`: `reading` reads it, `parse` does the thinking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from gateway.config.find import find_config, normal_path
from gateway.config.model import Config, ProjectConfig
from gateway.config.parse import parse
from gateway.config.project_parts import Part, parse_project
from gateway.config.reading import Reading, read
from gateway.errors import ConfigInvalid, ConfigProblem

__all__ = [
    "SOCKET_PATH_BYTES",
    "checked",
    "checked_project",
    "find_config",
    "load",
    "load_again",
]

#: Bytes that fit into the operating system's `sun_path`, without the closing zero.
SOCKET_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103
_Checked = TypeVar("_Checked", bound=ProjectConfig)


def load(path: Path) -> Config:
    """Read and check the configuration file.

    Raises:
        ConfigInvalid: it can't be read or used; `problems` holds everything that is wrong.
    """
    return checked(read(normal_path(path)))


def load_again(before: Config) -> Config:
    """The same file, as it is now. Raises `ConfigInvalid` as `load` does, and where a link leads to
    another one meanwhile: its secrets may be another's.
    """
    config = load(before.path)
    if config.place != before.place:
        what = f"it is another file now: {config.place}, and was {before.place}"
        hint = "start the gateway again, if that is meant"
        raise ConfigInvalid(str(before.path), [ConfigProblem("", what, hint)])
    return config


def checked_project(reading: Reading, parts: Collection[Part]) -> ProjectConfig:
    """Those parts of what was read that are about the project's secrets. Raises `ConfigInvalid`."""
    return _without_problems(
        reading, lambda found: parse_project(found.raw, path=found.path, parts=parts)
    )


def checked(reading: Reading) -> Config:
    """What was read, as a configuration. Raises `ConfigInvalid` as `load` does."""
    return _without_problems(
        reading,
        lambda found: parse(found.raw, path=found.path, max_socket_path=SOCKET_PATH_BYTES),
    )


def _without_problems(reading: Reading, check: Callable[[Reading], _Checked]) -> _Checked:
    path, problems = reading.path, reading.problems
    try:
        config = check(reading)
    except ConfigInvalid as invalid:
        raise ConfigInvalid(str(path), [*problems, *invalid.problems]) from None
    if problems:
        raise ConfigInvalid(str(path), list(problems))
    return replace(config, place=reading.place)
