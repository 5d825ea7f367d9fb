"""From a configuration file to its tables: it is read once, and whole or not at all."""

from __future__ import annotations

import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from gateway.errors import ConfigInvalid, ConfigProblem

_MAX_BYTES: Final = 1024 * 1024
_FOLDER: Final = (
    getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
)
_POSITION: Final = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")
_OTHER_FILE: Final = "is this the file that was meant?"
_NUMBER_HINT: Final = "neither nan, inf nor -0.0 is a time or an amount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A file as it was at one moment. `place` is where it really was then, in the folder that the
    links on `path` led to. `problems` are about the file itself, such as its mode; they count
    wherever it is more than looked at.
    """

    path: Path
    place: Path
    raw: Mapping[str, object]
    problems: tuple[ConfigProblem, ...] = ()


def read(path: Path) -> Reading:
    """Read the file's tables, unchecked but for the numbers in them.

    Raises:
        ConfigInvalid: it can't be read, is not TOML, or holds a number that is none.
    """
    place, text, problems = _text_of(path)
    raw = _decode(path, text)
    if wrong := [ConfigProblem(key, what, _NUMBER_HINT) for key, what in _no_numbers(raw, "")]:
        raise ConfigInvalid(str(path), [*problems, *wrong])
    return Reading(path=path, place=place, raw=raw, problems=tuple(problems))


def _no_numbers(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Where there is a float that no comparison is safe with, and what is wrong with it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _no_numbers(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _no_numbers(inner, f"{key}[{index}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield key, "is not a finite number"
        elif value == 0 and math.copysign(1, value) < 0:
            yield key, "is minus zero"


def _text_of(path: Path) -> tuple[Path, str, list[ConfigProblem]]:
    try:
        with _pinned(path.parent) as (folder, fd), _opened(path, fd) as file:
            status = os.fstat(file.fileno())
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unusable(path, f"can't be read: {reason}", "check the path and its mode") from error
    if len(data) > _MAX_BYTES:
        raise _unusable(path, "is larger than 1 MiB", _OTHER_FILE)
    try:
        return folder / path.name, data.decode(), _mode_problems(path, status)
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is not UTF-8"
        raise _unusable(path, where, "save the file as UTF-8 without a byte order mark") from None


@contextmanager
def _pinned(folder: Path) -> Iterator[tuple[Path, int | None]]:
    """Where a folder really is, and a descriptor of it: nobody can exchange it, or a link to it,
    between the two.
    """
    if os.open not in os.supports_dir_fd:
        yield folder.resolve(), None
        return
    fd = os.open(folder, _FOLDER)
    try:
        yield _place_of(fd, folder), fd
    finally:
        os.close(fd)


def _place_of(fd: int, folder: Path) -> Path:
    try:
        return Path(f"/proc/self/fd/{fd}").readlink()
    except OSError:  # no /proc
        place = folder.resolve()
        if os.path.samestat(place.stat(), os.fstat(fd)):
            return place
        raise OSError(0, "its folder was exchanged meanwhile") from None


def _opened(path: Path, fd: int | None) -> BinaryIO:
    if fd is None:
        return path.open("rb")
    return open(path.name, "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=fd))


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
        raise _unusable(path, "is nested too deeply", _OTHER_FILE) from None
    except ValueError:
        # Python refuses to read numbers of thousands of digits, in its own words.
        raise _unusable(path, "holds a number that is too long", _OTHER_FILE) from None


def _unusable(path: Path, message: str, hint: str) -> ConfigInvalid:
    return ConfigInvalid(str(path), [ConfigProblem("", message, hint)])
