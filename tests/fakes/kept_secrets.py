"""A blocking store in a dictionary, and a scope that has it open."""

from __future__ import annotations

from pathlib import Path

from gateway.audit.journal import Journal
from gateway.cli.secret_scope import Scope
from gateway.cli.snapshot import Snapshot
from identity.secret_stores.base import Secret, SecretRef, check_value, not_set
from identity.secret_stores.guarded import GuardedStore


class KeptSecrets:
    """A `BlockingStore`; `read` are the names that were asked for, in order."""

    def __init__(self, values: dict[str, str], *, project: str = "acme") -> None:
        self._values = {SecretRef(project, name): Secret(text) for name, text in values.items()}
        self.read: list[str] = []

    def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`."""
        self.read.append(ref.name)
        try:
            return self._values[ref]
        except KeyError:
            raise not_set(ref) from None

    def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        check_value(value)
        self._values[ref] = value

    def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        if self._values.pop(ref, None) is None:
            raise not_set(ref)

    def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        return sorted(ref.name for ref in self._values if ref.project == project)

    def close(self) -> None:
        """Nothing is open."""

    def interrupt(self) -> None:
        """Nothing waits."""


def scope_with(store: KeptSecrets, folder: Path, snapshot: Snapshot | None = None) -> Scope:
    """A scope of the project "acme", whose journal is in `folder`."""
    return Scope(
        kind="vault",
        project="acme",
        store=GuardedStore(store),
        journal=Journal(folder / "audit.jsonl", project="acme"),
        snapshot=snapshot or Snapshot(),
    )
