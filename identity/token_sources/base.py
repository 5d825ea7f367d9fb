"""What every token source promises. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from identity.secret_stores.base import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer credential.

    Attributes:
        expires_at: its end, aware UTC; None where the source doesn't tell.
        ask_again_s: how soon the source may know better, where that isn't a matter of the end:
            a file that is replaced, a session that is ended.
    """

    value: Secret
    expires_at: datetime | None = None
    ask_again_s: float | None = None


class TokenSource(Protocol):
    """Gives tokens. Used by one task at a time."""

    async def fetch(self) -> Token:
        """A token that is good now, for as long as the source can make it.

        May be cancelled at any point: what must not be lost then, isn't. Has a deadline of its own.

        Raises:
            TokenUnavailable: try again later; a token given before may be used to its end.
            TokenDenied: somebody has to mend something; likewise.
            TokenEnded: no token given before may be used any more.
            StoreUnavailable, SecretNotFound: what the source needs can't be read.
        """
        ...

    async def close(self) -> None:
        """Release what the source holds."""
        ...


@runtime_checkable
class KeepingSource(TokenSource, Protocol):
    """A source that gives a kept token again while its end isn't near."""

    def refused(self, value: Secret) -> None:
        """This one isn't taken any more, although it hasn't ended: the next `fetch` replaces it,
        unless it is another one by then. Returns at once.
        """
        ...
