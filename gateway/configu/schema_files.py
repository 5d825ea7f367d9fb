"""The `.cfgu` files that a configuration names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from identity.configu.schema import Cfgu, merged, read_schema
from identity.errors import InvalidConfigSchema
from identity.strict_json import strict_value

_MOST_BYTES: Final = 1024 * 1024


def read_schemas(paths: Iterable[Path]) -> dict[str, Cfgu]:
    """What the files declare together. Blocks.

    Raises:
        InvalidConfigSchema: a file can't be read or used; it is named.
    """
    return merged(map(_read, paths))


def _read(path: Path) -> dict[str, Cfgu]:
    try:
        data = _data(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidConfigSchema(
            f"{path} can't be read: {reason}", hint="[configu] schemas names it"
        ) from error
    if len(data) > _MOST_BYTES:
        raise InvalidConfigSchema(f"{path} is larger than {_MOST_BYTES} bytes")
    try:
        return read_schema(_contents(path, data))
    except InvalidConfigSchema as error:
        raise InvalidConfigSchema(f"{path}: {error}", hint=error.hint) from None


def _data(path: Path) -> bytes:
    # Never waits for the writer of a pipe.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "it is not a plain file")
        return file.read(_MOST_BYTES + 1)


def _contents(path: Path, data: bytes) -> object:
    if path.suffix != ".json":
        from gateway.configu.yaml_form import strict_yaml

        return strict_yaml(data)
    try:
        return strict_value(data)
    except ValueError as error:
        raise InvalidConfigSchema(f"it is not JSON: {error}") from None
