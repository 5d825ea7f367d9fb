"""From a file to a checked `Config`: `reading` reads it, `parse` does the thinking."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from gateway.config.find import find_config, normal_path
from gateway.config.model import Config
from gateway.config.parse import parse
from gateway.config.reading import Reading, read
from gateway.errors import ConfigInvalid

__all__ = ["checked", "find_config", "load"]

#: Bytes that fit into the operating system's `sun_path`, without the closing zero.
_SOCKET_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103


def load(path: Path) -> Config:
    """Read and check the configuration file.

    Raises:
        ConfigInvalid: it can't be read or used; `problems` holds everything that is wrong.
    """
    return checked(read(normal_path(path)))


def checked(reading: Reading) -> Config:
    """What was read, as a configuration. Raises `ConfigInvalid` as `load` does."""
    path, problems = reading.path, reading.problems
    try:
        config = parse(reading.raw, path=path, max_socket_path=_SOCKET_PATH_BYTES)
    except ConfigInvalid as invalid:
        raise ConfigInvalid(str(path), [*problems, *invalid.problems]) from None
    if problems:
        raise ConfigInvalid(str(path), list(problems))
    return config
