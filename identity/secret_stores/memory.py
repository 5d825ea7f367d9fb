"""A store that forgets everything with its process: for tests, and their fake of every other."""

from __future__ import annotations

from identity.secret_stores.base import (
    Secret,
    SecretRef,
    check_project,
    check_value,
    not_set,
    not_there,
)


class MemoryStore:
    """A `SecretStore` in a dictionary."""

    def __init__(self) -> None:
        self._values: dict[SecretRef, Secret] = {}

    async def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`."""
        try:
            return self._values[ref]
        except KeyError:
            raise not_set(ref) from None

    async def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        check_value(value)
        self._values[ref] = value

    async def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        if self._values.pop(ref, None) is None:
            raise not_there(ref)

    async def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        check_project(project)
        return sorted(ref.name for ref in self._values if ref.project == project)

    async def close(self) -> None:
        """Keeps the values: there is nowhere to read them from again."""
