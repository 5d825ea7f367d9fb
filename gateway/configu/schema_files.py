"""The `.cfgu` files that a configuration names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from identity.configu.json_form import strict
from identity.configu.schema import Cfgu, merged, read_schema
from identity.errors import InvalidConfigSchema

_MOST_BYTES: Final = 1024 * 1024


def read_schemas(paths: Iterable[Path]) -> dict[str, Cfgu]:
    """What the files declare together. Blocks.

    Raises:
        InvalidConfigSchema: a file can't be read or used; it is named.
    """
    return merged(map(_read, paths))


def _read(path: Path) -> dict[str, Cfgu]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
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


def _contents(path: Path, data: bytes) -> object:
    if path.suffix != ".json":
        from gateway.configu.yaml_form import strict_yaml

        return strict_yaml(data)
    try:
        return strict(data)
    except ValueError as error:
        raise InvalidConfigSchema(f"it is not JSON: {error}") from None
