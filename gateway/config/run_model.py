"""`[run]`: what programs may be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config.references import TOKEN_PREFIX


@dataclass(frozen=True, slots=True)
class InjectedVariable:
    """An environment variable: `parts` is text in turn with names of secrets, or of tokens with
    `TOKEN_PREFIX`, beginning and ending with text.
    """

    name: str
    parts: tuple[str, ...]

    @property
    def value_names(self) -> tuple[str, ...]:
        """All that it needs; tokens with their prefix."""
        return self.parts[1::2]

    @property
    def token_names(self) -> tuple[str, ...]:
        """The tokens that it needs."""
        tokens = (name for name in self.value_names if name.startswith(TOKEN_PREFIX))
        return tuple(name.removeprefix(TOKEN_PREFIX) for name in tokens)

    def filled(self, values: Mapping[str, str]) -> str:
        """The value; `values` has all that `value_names` has."""
        return "".join(values[part] if index % 2 else part for index, part in enumerate(self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """`[run]`: `env` is what a program gets; `secrets` may be given beside it by the command line;
    `dangerous` names may be set although they steer programs.
    """

    env: tuple[InjectedVariable, ...] = ()
    secrets: tuple[str, ...] = ()
    dangerous: frozenset[str] = frozenset()

    @property
    def allowed(self) -> frozenset[str]:
        """All that a program may get: names of secrets, and of tokens with their prefix."""
        named = {name for item in self.env for name in item.value_names}
        return frozenset(named | set(self.secrets))
