"""Reading one TOML table key by key, noting each thing that is wrong instead of stopping at it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar, cast

from gateway.errors import ConfigProblem

_T = TypeVar("_T")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

#: How a value of each kind is written.
_FORMS: dict[type, str] = {
    bool: "write it without quotes",
    int: "write it without quotes",
    float: "write it without quotes",
    str: "write it in quotes",
    list: "write it in brackets",
    dict: "write it as a table, under a heading in brackets",
}
_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


class Rejected(Exception):
    """A text is not acceptable: why, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Table:
    """A table of the file, the dotted key that it stands at, and the problems found so far.

    Each reading method takes one key, and returns its default for a key that is absent or wrong;
    so a caller builds its value from what is good and looks at `problems` at the end. `finish`
    reports the keys that nobody took.
    """

    def __init__(self, raw: Mapping[str, object], key: str, problems: list[ConfigProblem]) -> None:
        self.key = key
        self._raw = raw
        self._problems = problems
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def at(self, name: str, index: int | None = None) -> str:
        """The dotted key of `name` in this table, or of one item of the list there."""
        key = f"{self.key}.{_quoted(name)}" if self.key else _quoted(name)
        return key if index is None else f"{key}[{index}]"

    def problem(self, name: str, message: str, hint: str = "", *, index: int | None = None) -> None:
        """Note that something is wrong with the key `name` or one item of its list."""
        self._problems.append(ConfigProblem(self.at(name, index), message, hint))

    def problem_at(self, key: str, message: str, hint: str = "") -> None:
        """Note that something is wrong elsewhere in the file, at the dotted `key`."""
        self._problems.append(ConfigProblem(key, message, hint))

    def holds_nothing(self, name: str) -> bool:
        """Whether `name` is an empty list."""
        return self._raw.get(name) == []

    def know(self, *names: str) -> None:
        """Take keys without reading them."""
        self._taken.update(names)

    def required(self, name: str, what: str) -> bool:
        """Note a problem unless `name` is there; `what` says what it should hold."""
        if name not in self._raw:
            self.know(name)
            self.problem(name, "is missing", f"it should hold {what}")
        return name in self._raw

    def text(self, name: str, default: str = "", *, empty: bool = False) -> str:
        """A text without control characters; an empty one only where `empty` allows it."""
        value = self._take(name, str)
        if value is None:
            return default
        return value if self._is_clean(name, value, empty=empty) else default

    def texts(self, name: str, *, single: bool = False) -> list[tuple[int | None, str]]:
        """A list of texts with their indexes; `single` also allows one text, without an index."""
        if single and isinstance(self._raw.get(name), str):
            text = self.text(name)
            return [(None, text)] if text else []
        good: list[tuple[int | None, str]] = []
        for index, item in enumerate(self._take(name, list) or []):
            if not isinstance(item, str):
                self.problem(name, f"should be a text, not {_kind(item)}", _FORMS[str], index=index)
            elif self._is_clean(name, item, empty=False, index=index):
                good.append((index, item))
        return good

    def converted(self, name: str, convert: Callable[[str], _T]) -> _T | None:
        """A text through `convert`; None where it is absent, wrong or `Rejected`."""
        text = self.text(name)
        return self.convert(name, text, convert) if text else None

    def convert(
        self, name: str, text: str, convert: Callable[[str], _T], *, index: int | None = None
    ) -> _T | None:
        """A text from `name` through `convert`; None, and noted, where it is `Rejected`."""
        try:
            return convert(text)
        except Rejected as error:
            self.problem(name, error.message, error.hint, index=index)
            return None

    def converted_list(
        self, name: str, convert: Callable[[str], _T], *, single: bool = False
    ) -> list[tuple[int | None, _T]]:
        """Each text of a list through `convert`, with its index; those `Rejected` are left out."""
        texts = self.texts(name, single=single)
        results = [(index, self.convert(name, text, convert, index=index)) for index, text in texts]
        return [(index, value) for index, value in results if value is not None]

    def distinct(self, name: str, convert: Callable[[str], _T]) -> tuple[_T, ...]:
        """Each text of a list through `convert`, once."""
        return tuple(dict.fromkeys(value for _, value in self.converted_list(name, convert)))

    def refuse(self, name: str, message: str, hint: str) -> None:
        """Note a problem if `name` is there: it is known, and makes no sense here."""
        if name in self._raw:
            self.know(name)
            self.problem(name, message, hint)

    def choice(self, name: str, options: Iterable[str], default: str) -> str:
        """One of a few words."""
        value = self.text(name, default)
        known = tuple(options)
        if value in known:
            return value
        said = ", ".join(f'"{option}"' for option in known)
        self.problem(name, f'"{value}" is not known', f"{_did_you_mean(value, known)}one of {said}")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        """true or false."""
        value = self._take(name, bool)
        return default if value is None else value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self._take(name, int)
        if value is None or not self._is_within(name, value, least, most):
            return default
        return value

    def seconds(self, name: str, default: float, *, least: float, most: float) -> float:
        """A number of seconds within bounds."""
        value = self._take(name, float)
        if value is None or not self._is_within(name, value, least, most):
            return default
        return float(value)

    def part(self, name: str, default: float) -> float:
        """A number from 0, for nothing, to 1, for all."""
        return self.seconds(name, default, least=0.0, most=1.0)

    def table(self, name: str) -> Table:
        """A table inside this one; an empty one where there is none."""
        value = self._take(name, dict)
        return Table(value or {}, self.at(name), self._problems)

    def tables(self, name: str) -> list[Table]:
        """The entries of an array of tables."""
        items = self._take(name, list)
        good: list[Table] = []
        for index, item in enumerate(items or []):
            if isinstance(item, dict):
                good.append(Table(item, self.at(name, index), self._problems))
            else:
                hint = "write each as a table, under a heading in double brackets"
                self.problem(name, f"should be a table, not {_kind(item)}", hint, index=index)
        return good

    def entries(self) -> list[str]:
        """The names of all keys, for tables whose keys are free; each still has to be read."""
        return list(self._raw)

    def finish(self) -> None:
        """Note each key that nobody took as unknown."""
        for name in self._raw:
            if name not in self._taken:
                known = sorted(self._taken)
                hint = f"{_did_you_mean(name, known)}known here: {', '.join(known)}"
                self.problem(name, "unknown key", hint)

    def _take(self, name: str, kind: type[_T]) -> _T | None:
        self._taken.add(name)
        value = self._raw.get(name)
        if value is None:
            return None
        # bool is an int to Python, and an int will do for a float; TOML tells all three apart.
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if fits or (kind is float and type(value) is int):
            return cast("_T", value)
        is_single = (kind, type(value)) == (list, str)
        hint = f'write it in brackets: {name} = ["…"]' if is_single else _FORMS[kind]
        self.problem(name, f"should be {_NAMES[kind]}, not {_kind(value)}", hint)
        return None

    def _is_clean(self, name: str, value: str, *, empty: bool, index: int | None = None) -> bool:
        if not value and not empty:
            self.problem(name, "is empty", "write a value, or leave the key out", index=index)
            return False
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            hint = "line breaks and tabs have no place here"
            self.problem(name, "holds a control character", hint, index=index)
            return False
        return True

    def _is_within(self, name: str, value: float, least: float, most: float) -> bool:
        if least <= value <= most:
            return True
        hint = "write a number within these bounds, or leave the key out"
        self.problem(name, f"should be between {least:g} and {most:g}", hint)
        return False


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


def _kind(value: object) -> str:
    return _NAMES.get(type(value), "a date or time")


def _quoted(name: str) -> str:
    """A key as TOML writes it: bare where that is allowed."""
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
