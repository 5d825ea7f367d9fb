"""What every secret store promises, and the values that pass through it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from identity.errors import InvalidSecretName

# One character set that every operating system's keychain keeps as it is: no case folding trouble
# (lower case only for projects), no separators, nothing that a path or a shell would read.
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")


class Secret:
    """A sensitive text. It shows itself only through `reveal`; printing, formatting, pickling or
    comparing it by accident tells nothing.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; the caller answers for where it goes."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Names one secret of one project; holds no value.

    Raises:
        InvalidSecretName: either part has characters outside the portable set.
    """

    project: str
    name: str

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.project):
            raise InvalidSecretName(
                f"project name {self.project!r} is not usable",
                hint="use 1–63 of a–z, 0–9, '.', '_', '-', starting with a letter or digit",
            )
        if not _NAME.fullmatch(self.name):
            raise InvalidSecretName(
                f"secret name {self.name!r} is not usable",
                hint="use 1–127 of A–Z, a–z, 0–9, '.', '_', '-', starting with a letter or digit",
            )

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


class SecretStore(Protocol):
    """Keeps secrets by project and name.

    Every call has a deadline of its own and may be made from any coroutine of the loop that made
    the store. All raise `StoreUnavailable` when the store is absent, locked or silent; a store
    never falls back to a weaker one.
    """

    async def get(self, ref: SecretRef) -> Secret:
        """The current value. Raises `SecretNotFound`."""
        ...

    async def set(self, ref: SecretRef, value: Secret) -> None:
        """Create or replace; the old value stays readable until the new one is complete."""
        ...

    async def delete(self, ref: SecretRef) -> None:
        """Remove the value. Raises `SecretNotFound`."""
        ...

    async def names(self, project: str) -> list[str]:
        """The names kept for a project, sorted; never a value, never another project's."""
        ...
