"""Values that nobody else gives out: made here, typed by a person, or printed by a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.errors import TokenDenied
from identity.program import Program, output_of
from identity.rotation.base import Created
from identity.secret_stores.base import Secret, check_value
from identity.strict_json import strict_value


class Made:
    """A `Remote` whose values are made by `make`, such as a random one, or one that was typed."""

    def __init__(self, make: Callable[[], Secret]) -> None:
        self._make = make

    async def current(self, value: Secret | None) -> str:
        """See `Remote.current`."""
        del value
        return ""

    async def create(self, tag: str, by: Secret | None) -> Created:
        """See `Remote.create`."""
        del tag, by
        return Created(key="", value=self._make())

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        """See `Remote.tagged`."""
        del tag, by
        return []

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        """See `Remote.revoke`: a value that nobody asks for any more."""
        del key, value, by


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Commands, each an absolute path and its arguments; () where there is none."""

    create: Sequence[str]
    revoke: Sequence[str]
    find: Sequence[str] = ()
    env: Mapping[str, str]
    timeout_s: float


class ExecKeys:
    """A `Remote` of programs. Each gets one JSON object as its input, and values in nothing else.

    create: {tag, key, value}, of the key in use; prints {key, value}, or a value alone.
    find:   {tag, value}; prints a JSON list of the keys that were made with the tag.
    revoke: {key, value, by}; the value of that key if it is known, and one that is good.
    """

    def __init__(self, hooks: Hooks, *, old_key: str = "") -> None:
        self._hooks = hooks
        self._old_key = old_key

    async def current(self, value: Secret | None) -> str:
        """See `Remote.current`: what the last rotation made, or the person names."""
        del value
        return self._old_key

    async def create(self, tag: str, by: Secret | None) -> Created:
        """See `Remote.create`."""
        told = {"tag": tag, "key": self._old_key, "value": _text(by)}
        printed = await self._run(self._hooks.create, told)
        text = printed.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
        key, value = "", text
        if text.startswith("{"):
            found = _value(text)
            key, value = _member(found, "key"), _member(found, "value")
        if not value or "�" in value:
            raise TokenDenied(
                f"{self._hooks.create[0]} printed no value",
                hint='it should print the value and nothing else, or {"key": …, "value": …}',
            )
        check_value(Secret(value))
        return Created(key=key, value=Secret(value))

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        """See `Remote.tagged`. Without `find`, `create` has to know a tag that it saw before."""
        if not self._hooks.find:
            return []
        printed = await self._run(self._hooks.find, {"tag": tag, "value": _text(by)})
        found = _value(printed.decode("utf-8", "replace"))
        if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
            raise TokenDenied(f"{self._hooks.find[0]} printed no JSON list of keys")
        return found

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        """See `Remote.revoke`."""
        if self._hooks.revoke:
            told = {"key": key, "value": _text(value), "by": _text(by)}
            await self._run(self._hooks.revoke, told)

    async def _run(self, command: Sequence[str], told: Mapping[str, str]) -> bytes:
        return await _run(command, told, self._hooks.env, self._hooks.timeout_s)


class ExecCheck:
    """A `Check` of a program, which gets {value} as its input, and fails if it isn't good."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> None:
        self._command = command
        self._env = env
        self._timeout_s = timeout_s

    async def __call__(self, value: Secret) -> None:
        """See `Check`."""
        await _run(self._command, {"value": value.reveal()}, self._env, self._timeout_s)


async def _run(
    command: Sequence[str], told: Mapping[str, str], env: Mapping[str, str], timeout_s: float
) -> bytes:
    program = Program(command=command, env=env, timeout_s=timeout_s)
    return await output_of(program, json.dumps(told).encode())


def _text(value: Secret | None) -> str:
    return "" if value is None else value.reveal()


def _value(text: str) -> Any:
    try:
        return strict_value(text)
    except ValueError:
        return None


def _member(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
