"""A store whose sealed values are not mistaken for values."""

from __future__ import annotations

from identity.errors import InvalidSecretValue, SecretDamaged, SecretNotFound, TouchNeeded
from identity.secret_stores.base import SEALED_PREFIX, BlockingStore, Secret, SecretRef


class GuardedStore:
    """A `BlockingStore` over another one. A sealed value is read by `sealed` only, so that it never
    goes into a header or a program's environment as if it were the secret.
    """

    def __init__(self, inner: BlockingStore) -> None:
        self._inner = inner

    def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`. Raises `TouchNeeded` for a sealed value."""
        value = self._inner.get(ref)
        if is_sealed(value):
            raise TouchNeeded(
                f"secret {ref} is sealed: it takes a touch of a security key to read it",
                hint="'secret get' and 'run' ask for one; routes, 'sync' and 'rotate' can't",
            )
        return value

    def sealed(self, ref: SecretRef) -> Secret:
        """The value as it is kept, sealed or not. Raises as `SecretStore.get` does."""
        return self._inner.get(ref)

    def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`.

        Raises:
            InvalidSecretValue: it looks sealed.
            TouchNeeded: there is a sealed value, which an open one doesn't replace.
        """
        if is_sealed(value):
            raise InvalidSecretValue(
                "the value begins like a sealed one", hint="give the secret itself"
            )
        if self._holds_sealed(ref):
            raise TouchNeeded(
                f"secret {ref} is sealed, and is not replaced by a value that is open",
                hint="'devwiz-gw secret set' seals the new one; 'secret rm' removes it",
            )
        self._inner.set(ref, value)

    def set_sealed(self, ref: SecretRef, value: Secret) -> None:
        """Keep what `identity.mfa.sealed.seal` made. Raises as `SecretStore.set` does."""
        self._inner.set(ref, value)

    def _holds_sealed(self, ref: SecretRef) -> bool:
        try:
            return is_sealed(self._inner.get(ref))
        except (SecretNotFound, SecretDamaged):
            return False

    def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        self._inner.delete(ref)

    def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        return self._inner.names(project)

    def close(self) -> None:
        """See `SecretStore.close`."""
        self._inner.close()

    def interrupt(self) -> None:
        """See `BlockingStore.interrupt`."""
        self._inner.interrupt()


def is_sealed(value: Secret) -> bool:
    """Whether a value as kept is sealed."""
    return value.reveal().startswith(SEALED_PREFIX)
