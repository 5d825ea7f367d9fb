"""Whether an answer will do, as the configuration itself judges it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.config.parse import parse
from gateway.errors import ConfigInvalid, ConfigProblem

#: Stand for what hasn't been answered yet.
_FILES: Final = {"certificate": "c", "private_key": "k", "trust_bundle": "b"}
# Port 0 collides with no other route's.
_ROUTE: Final = {"listen": "127.0.0.1:0", "upstream": "https://upstream.example"}
_USUAL: Final[Mapping[str, Any]] = {
    "project": "project",
    "identity": {"source": "files", "files": _FILES},
}


class Judge:
    """Judges single answers for the file at the absolute `path`, by what `config check` would say
    of them there; `raw` is what the file says already.
    """

    def __init__(
        self, path: Path, *, max_socket_path: int, raw: Mapping[str, Any] | None = None
    ) -> None:
        self._path = path
        self._max_socket_path = max_socket_path
        self._raw = raw or {}

    def project(self, text: str) -> ConfigProblem | None:
        """Whether it can be the project's name."""
        return self._problem("project", project=text)

    def identity(self, source: str, table: Mapping[str, Any], key: str) -> ConfigProblem | None:
        """Whether `key` of the table `[identity.SOURCE]` is as it should be, whatever is missing
        beside it; with "" for the source, of `[identity]`.
        """
        usual = {"source": "files", "files": _FILES}
        others = _FILES if source == "files" else {}
        more = {source: {**others, **table}} if source else table
        at = f"identity.{source}.{key}" if source else f"identity.{key}"
        return self._problem(at, identity={**usual, **more})

    def route(self, key: str, value: object) -> ConfigProblem | None:
        """Whether it can be the value of a key of one route more."""
        others = self._raw.get("routes") or []
        route = {**_ROUTE, "name": _free([_name(other) for other in others]), key: value}
        places = (f"routes.{route['name']}.{key}", f"routes[{len(others)}].{key}")
        return self._problem(*places, routes=[*others, route])

    def store(self, key: str, value: str) -> ConfigProblem | None:
        """Whether it can be the value of a key of `[secrets]`."""
        usual = {"store": "folder", "folder": "secrets"}
        return self._problem(f"secrets.{key}", secrets={**usual, key: value})

    def _problem(self, *places: str, **more: Any) -> ConfigProblem | None:
        if not is_text(more):
            return ConfigProblem(places[0], "holds bytes that are no text", "type it in UTF-8")
        raw = {**_USUAL, **self._raw, **more}
        try:
            parse(raw, path=self._path, max_socket_path=self._max_socket_path)
        except ConfigInvalid as invalid:
            found = invalid.problems
            return next((item for item in found if _is_at(item.key, places)), None)
        return None


def is_text(value: object) -> bool:
    """Whether all texts in it can be written: an argument may be bytes of no encoding."""
    if isinstance(value, Mapping):
        return all(is_text(key) and is_text(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_text, value))
    if isinstance(value, str):
        return not any(0xD800 <= ord(char) <= 0xDFFF for char in value)
    return True


def _name(route: object) -> object:
    return route.get("name") if isinstance(route, Mapping) else None


def _free(taken: Sequence[object]) -> str:
    """A name that no other route has."""
    names = ("route", *(f"route-{number}" for number in range(len(taken))))
    return next(name for name in names if name not in taken)


def _is_at(key: str, places: Sequence[str]) -> bool:
    return any(key == place or key.startswith((f"{place}.", f"{place}[")) for place in places)
