"""What a rotation asks of whoever gives out a secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from identity.secret_stores.base import Secret

#: The sorts of LangSmith keys.
KEY_SORTS: Final = ("workspace", "organization", "personal")
#: How much longer than a token lives the key that signed it has to be known: two caches of ten
#: minutes each may not have seen a change yet.
LEEWAY_S: Final = 15 * 60.0

#: Try a new value in a way that changes nothing; raises `TokenDenied` if it isn't taken.
Check = Callable[[Secret], Awaitable[None]]
#: Read a credential that is kept apart from what is rotated.
ReadSecret = Callable[[], Awaitable[Secret]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new key: how it is called, and its value, where it has one that leaves the provider."""

    key: str
    value: Secret | None


class Remote(Protocol):
    """Gives out keys. `by` is a value that is good now, for providers that let a key make and
    remove others. Every method raises `TokenUnavailable`, and `TokenDenied` where that is final.
    """

    async def current(self, value: Secret | None) -> str:
        """How the key with this value is called; "" where keys have no names."""
        ...

    async def create(self, tag: str, by: Secret | None) -> Created:
        """Make a key that `tagged` finds. Never the same one twice: ask `tagged` first."""
        ...

    async def tagged(self, tag: str, by: Secret | None) -> list[str]:
        """Keys that were made with this tag and are still good."""
        ...

    async def revoke(self, key: str, value: Secret | None, by: Secret | None) -> None:
        """End a key; one that is gone already is no error. `value` is its value, where known."""
        ...


class Publisher(Protocol):
    """Where others get the value from."""

    async def publish(self, value: Secret) -> str:
        """Write it there; the result is where it waits for somebody's approval, or ""."""
        ...

    async def given(self) -> Secret | None:
        """What others get now; None where there is nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """All that one rotation needs of others.

    Attributes:
        checks: all of them have to take a new value before it is used.
        activate: puts a key into use at the provider, where that is the switch.
        settle_s: how long a new key has to have been there before it is put into use.
    """

    remote: Remote
    checks: tuple[Check, ...] = ()
    publisher: Publisher | None = None
    activate: Callable[[str], Awaitable[None]] | None = None
    settle_s: float = 0.0
