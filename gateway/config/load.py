"""From a file to a checked `Config`: the reading; `gateway.config.parse` does the thinking."""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from pathlib import Path
from typing import Final

from gateway.config.find import find_config, normal_path
from gateway.config.model import Config
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid, ConfigProblem

__all__ = ["find_config", "load"]

_MAX_BYTES: Final = 1024 * 1024
_POSITION: Final = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")

#: Bytes that fit into the operating system's `sun_path`, without the closing zero.
_SOCKET_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103


def load(path: Path) -> Config:
    """Read and check the configuration file.

    Raises:
        ConfigInvalid: it can't be read or used; `problems` holds everything that is wrong.
    """
    path = normal_path(path)
    text, problems = _read(path)
    raw = _decode(path, text)
    try:
        config = parse(raw, path=path, max_socket_path=_SOCKET_PATH_BYTES)
    except ConfigInvalid as invalid:
        raise ConfigInvalid(str(path), [*problems, *invalid.problems]) from None
    if problems:
        raise ConfigInvalid(str(path), problems)
    return config


def _read(path: Path) -> tuple[str, list[ConfigProblem]]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unusable(path, f"can't be read: {reason}", "check the path and its mode") from error
    if len(data) > _MAX_BYTES:
        raise _unusable(path, "is larger than 1 MiB", "is this the file that was meant?")
    try:
        return data.decode(), _mode_problems(path, status)
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is not UTF-8"
        raise _unusable(path, where, "save the file as UTF-8 without a byte order mark") from None


def _mode_problems(path: Path, status: os.stat_result) -> list[ConfigProblem]:
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if os.name != "posix" or not others:
        return []
    # Whoever writes this file decides where the user's tokens are sent.
    who = "everybody" if others & stat.S_IWOTH else "its group"
    return [ConfigProblem("", f"the file is writable by {who}", f"run: chmod go-w {path}")]


def _decode(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        what = _POSITION.sub("", str(error))
        problem = ConfigProblem(
            position[1] if position else "",
            f"not TOML: {what[:1].lower()}{what[1:]}",
            "texts need quotes, and each [table] may appear once",
        )
        raise ConfigInvalid(str(path), [problem]) from None
    except RecursionError:
        raise _unusable(path, "is nested too deeply", "") from None
    except ValueError:
        # Python refuses to read numbers of thousands of digits, in its own words.
        raise _unusable(path, "holds a number that is too long", "") from None


def _unusable(path: Path, message: str, hint: str) -> ConfigInvalid:
    return ConfigInvalid(str(path), [ConfigProblem("", message, hint)])
