"""What every identity source promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from certs.generation import Generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A source's verified reply, not yet numbered: the material of a `Generation`.

    `renew_after` is the source's own wish for the renewal time, where it has one.
    """

    key_pem: bytes
    chain_pem: bytes
    bundle_pem: bytes
    spiffe_id: str
    dns_names: tuple[str, ...]
    serial: str
    issuer: str
    not_before: datetime
    not_after: datetime
    renew_after: datetime | None = None

    def __repr__(self) -> str:
        return f"Identity({self.spiffe_id or self.serial}, not_after={self.not_after.isoformat()})"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLists:
    """Revocation lists of an identity's authorities, PEM; `tag` is the source's name for this
    version, "" where it has none.
    """

    pem: bytes
    tag: str


class IdentitySource(Protocol):
    """Yields verified identities; called by one task only, never concurrently."""

    @property
    def name(self) -> str:
        """The word used in the configuration and in `status`: the source of what came last."""
        ...

    @property
    def clock_skew_s(self) -> float | None:
        """By how much this machine's clock was ahead of the source's at its last answer, whatever
        that was; None where it doesn't tell.
        """
        ...

    async def obtain(self, current: Generation | None) -> Identity:
        """Get a fresh identity: the first one when `current` is None, else its successor.

        A new key each time where the source allows it. The reply has been checked (our key, names,
        usages, lifetime, chain) before it is returned. Every step has a deadline.

        Raises:
            SourceUnavailable: try again later.
            SourceDenied: trying again will not help until somebody changes something.
            ReplyRejected: the answer was not acceptable; the current identity stays.
        """
        ...

    async def changed(self) -> None:
        """Return when the source has something new before the renewal time (a file was swapped,
        a stream pushed); a source that never does waits for ever. Cancelled at will.
        """
        ...

    async def close(self) -> None:
        """Release sockets and watchers; `obtain` is not called afterwards."""
        ...


@runtime_checkable
class PublicSource(Protocol):
    """An identity source whose issuer tells everybody whom it trusts."""

    async def authorities(self) -> bytes:
        """Its authorities, PEM, checked by what the configuration knows of them. No credential is
        shown or spent, and nobody joins: it may be asked whenever one likes.

        Raises:
            CertsError: as `IdentitySource.obtain` does.
        """
        ...


@runtime_checkable
class RevocationSource(Protocol):
    """An identity source whose issuer tells which certificates are taken back. Its method may be
    called beside those of `IdentitySource`.
    """

    async def revocation_lists(
        self, current: Generation, known: FoundLists | None
    ) -> FoundLists | None:
        """The lists in force of all authorities that `current`'s peers may have; None where there
        are none. May wait, within a deadline, while they are those that are known.

        Raises:
            CertsError: there is no usable answer; what is known stays in use.
        """
        ...
