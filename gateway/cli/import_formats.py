"""What other programs' files of secrets hold, by name. Pure.

Known are `.env` files and the JSON that 1Password (`op item get --format json`), Doppler
(`doppler secrets [download] --json`) and Infisical (`infisical export --format=json`) write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from identity.errors import InvalidSecretValue
from identity.secret_stores.base import Secret
from identity.strict_json import strict_value

FORMATS: Final = ("env", "1password", "doppler", "infisical")

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=[ \t]*")
_LINE_END: Final = re.compile(r"\r\n?")
# As dotenv for Node takes them, where nothing but a comment is behind them: another program's value
# may begin with one.
_IN_BACKTICKS: Final = re.compile(r"`([^`]*)`[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$", "`": "`"}
# Doppler adds where the secrets are from.
_OF_DOPPLER: Final = {"DOPPLER_PROJECT", "DOPPLER_ENVIRONMENT", "DOPPLER_CONFIG"}
_UNUSABLE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def read_secrets(text: str, kind: str = "auto") -> dict[str, Secret]:
    """Names and values in the order of the file; of a name that comes twice in a `.env` file, the
    last value, as a shell would have it.

    Raises:
        InvalidSecretValue: the text is not of that kind, or has two values for a name. Nothing of
            it is told but names and line numbers.
    """
    if kind == "auto":
        kind = "json" if text.lstrip().startswith(("{", "[")) else "env"
    if kind == "env":
        return dict(_of_env(text))
    try:
        document = strict_value(text)
    except ValueError:
        raise InvalidSecretValue(
            "the file is not JSON, or has a name twice", hint="is it of another --format?"
        ) from None
    kind = _kind_of(document) if kind == "json" else kind
    found: dict[str, Secret] = {}
    for name, value in _READERS[kind](document):
        if name in found:
            raise InvalidSecretValue(
                f"the file has two values for {name}", hint="export them apart, or rename one"
            )
        found[name] = value
    if not found:
        raise InvalidSecretValue(
            f"the file has no secrets that {kind} would write", hint="is it of another --format?"
        )
    return found


def _kind_of(document: Any) -> str:
    items = document if isinstance(document, list) else [document]
    first = items[0] if items and isinstance(items[0], dict) else {}
    if "fields" in first and ("id" in first or "title" in first):
        return "1password"
    return "infisical" if isinstance(document, list) else "doppler"


def _of_env(text: str) -> Iterator[tuple[str, Secret]]:
    position, text = 0, _LINE_END.sub("\n", text.removeprefix("\ufeff"))
    while position < len(text):
        end = _line_end(text, position)
        line = text[position:end].strip()
        if not line or line.startswith("#"):
            position = end + 1
            continue
        found = _ASSIGNMENT.match(text, position, end)
        if found is None:
            raise _bad_line(text, position, "is no NAME=VALUE")
        value, position = _value(text, found.end())
        yield found[1], Secret(value)


def _value(text: str, start: int) -> tuple[str, int]:
    """The value that begins at `start`, and where the next line begins."""
    mark = text[start : start + 1]
    if mark == "`" and (found := _IN_BACKTICKS.match(text, start)):
        return found[1], found.end()
    if mark not in {'"', "'"} or not mark:
        end = _line_end(text, start)
        # A comment needs a blank before it: what has none belongs to the value.
        return re.split(r"(?:^|\s)#", text[start:end], maxsplit=1)[0].strip(), end + 1
    pattern = r'"((?:[^"\\]|\\.)*)"' if mark == '"' else r"'([^']*)'"
    found = re.compile(pattern, re.DOTALL).match(text, start)
    if found is None:
        raise _bad_line(text, start, "has no closing quote")
    end = _line_end(text, found.end())
    rest = text[found.end() : end].strip()
    if rest and not rest.startswith("#"):
        raise _bad_line(text, found.end(), "goes on after its closing quote")
    return (_unescaped(found[1]) if mark == '"' else found[1]), end + 1


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text, flags=re.DOTALL)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _bad_line(text: str, position: int, what: str) -> InvalidSecretValue:
    number = text.count("\n", 0, position) + 1
    return InvalidSecretValue(f"line {number} {what}", hint="nothing was imported")


def _of_doppler(document: Any) -> Iterator[tuple[str, Secret]]:
    for name, value in _members(document):
        if name in _OF_DOPPLER:
            continue
        kept = value.get("computed", value.get("raw")) if isinstance(value, dict) else value
        if kept is not None:
            yield name, Secret(_text(kept))


def _of_infisical(document: Any) -> Iterator[tuple[str, Secret]]:
    if isinstance(document, dict):
        document = document.get("secrets", document)
    if isinstance(document, dict):
        yield from _of_doppler(document)
        return
    for entry in _items(document):
        name = entry.get("key", entry.get("secretKey"))
        value = entry.get("value", entry.get("secretValue"))
        if isinstance(name, str) and value is not None:
            yield name, Secret(_text(value))


def _of_1password(document: Any) -> Iterator[tuple[str, Secret]]:
    """Every field that is hidden there; with its item's title where there are several items."""
    items = list(_items(document if isinstance(document, list) else [document]))
    for item in items:
        for field in _items(item.get("fields") or []):
            if field.get("type") == "CONCEALED" and field.get("value"):
                label = str(field.get("label") or field.get("id") or "")
                parts = [str(item.get("title", "")), label] if len(items) > 1 else [label]
                yield portable_name("-".join(filter(None, parts))), Secret(_text(field["value"]))


def portable_name(text: str) -> str:
    """`text` as a name that every store takes, or nearly: other characters become one dash."""
    return _UNUSABLE.sub("-", text).strip("-._")


_READERS: Final = {
    "doppler": _of_doppler,
    "infisical": _of_infisical,
    "1password": _of_1password,
}


def _members(document: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(document, Mapping):
        yield from document.items()


def _items(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, list):
        yield from (entry for entry in document if isinstance(entry, dict))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
