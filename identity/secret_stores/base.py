"""What every secret store promises, and the values that pass through it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from identity.errors import InvalidSecretName, InvalidSecretValue, SecretNotFound

# One character set that every operating system's keychain keeps as it is: no case folding trouble
# (lower case only for projects), no separators, nothing that a path or a shell would read.
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")

#: Names that begin like this are the program's own: no route and no command may use them.
OWN_PREFIX: Final = "devwiz-gw."

#: How a value begins that is sealed for the project's security keys (`identity.mfa.sealed`).
SEALED_PREFIX: Final = "devwiz-gw:sealed:1:"

#: The longest value that every store takes, in bytes of UTF-8.
MAX_VALUE_BYTES: Final = 64 * 1024


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
        check_project(self.project)
        if not _NAME.fullmatch(self.name):
            # Whoever writes NAME=VALUE gives a value that has no place in a message.
            name, is_more, _ = self.name.partition("=")
            raise InvalidSecretName(
                f"secret name {name + is_more!r} is not usable",
                hint="use 1–127 of A–Z, a–z, 0–9, '.', '_', '-', starting with a letter or digit",
            )

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


def is_own(name: str) -> bool:
    """Whether a name is one of the program's own; some keychains compare names without case."""
    return name.lower().startswith(OWN_PREFIX)


def given_ref(project: str, name: str) -> SecretRef:
    """A secret whose name somebody gave. Raises `InvalidSecretName`, also for the program's own."""
    if is_own(name):
        raise InvalidSecretName(
            f"secret names that begin with {OWN_PREFIX!r} are the program's own",
            hint="choose another name",
        )
    return SecretRef(project, name)


def check_project(project: str) -> None:
    """Raises `InvalidSecretName` unless `project` is usable in every store."""
    if not _PROJECT.fullmatch(project):
        raise InvalidSecretName(
            f"project name {project!r} is not usable",
            hint="use 1–63 of a–z, 0–9, '.', '_', '-', starting with a letter or digit",
        )


def check_value(value: Secret) -> None:
    """Raises `InvalidSecretValue`, which says nothing of the value, unless every store takes it."""
    text = value.reveal()
    if not text:
        raise InvalidSecretValue(
            "the value is empty", hint="an unset variable or an empty file? rm removes a secret"
        )
    if "\0" in text:
        raise InvalidSecretValue("the value holds a NUL", hint="only text is kept; encode it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidSecretValue(
            "the value is not Unicode text", hint="binary values are kept encoded, say as base64"
        ) from None
    if size > MAX_VALUE_BYTES:
        raise InvalidSecretValue(
            f"the value is {size} bytes long, {MAX_VALUE_BYTES} are kept at most",
            hint="is this the file that was meant?",
        )


def not_set(ref: SecretRef, remedy: str = "") -> SecretNotFound:
    """The error of a store that holds no such secret. `remedy` where `secret set` is none."""
    return SecretNotFound(
        f"secret {ref} is not set",
        hint=remedy or f"run: devwiz-gw secret set {ref.name} --project {ref.project}",
    )


def not_there(ref: SecretRef) -> SecretNotFound:
    """The error of a store that was to remove a secret which it doesn't hold."""
    return not_set(ref, f"devwiz-gw secret list --project {ref.project} shows what there is")


class SecretStore(Protocol):
    """Keeps secrets by project and name. A value is Unicode text: see `check_value`.

    Every call has a deadline of its own and may be made from any coroutine of the loop that made
    the store. All raise `StoreUnavailable` when the store is absent, locked or silent; a store
    never falls back to a weaker one.
    """

    async def get(self, ref: SecretRef) -> Secret:
        """The current value. Raises `SecretNotFound`."""
        ...

    async def set(self, ref: SecretRef, value: Secret) -> None:
        """Create or replace; the old value stays readable until the new one is complete.

        Raises `InvalidSecretValue`.
        """
        ...

    async def delete(self, ref: SecretRef) -> None:
        """Remove the value. Raises `SecretNotFound`."""
        ...

    async def names(self, project: str) -> list[str]:
        """The names kept for a project, sorted; never a value, never another project's.

        Raises `InvalidSecretName` for a project that no store takes.
        """
        ...

    async def close(self) -> None:
        """Release what the store holds open. It may be used again, and opens again then."""
        ...


class BlockingStore(Protocol):
    """A store whose calls wait: what `threaded.ThreadedStore` makes a `SecretStore` of.

    One caller at a time, in any thread; only `interrupt` may be called beside another call.
    Each method promises and raises what its namesake in `SecretStore` does.
    """

    def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`."""
        ...

    def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        ...

    def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        ...

    def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        ...

    def close(self) -> None:
        """See `SecretStore.close`."""
        ...

    def interrupt(self) -> None:
        """Make a call in progress raise soon; nothing that it had finished is undone."""
        ...
