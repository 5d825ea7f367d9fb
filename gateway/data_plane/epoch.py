"""What a connection to the far side is made with, and when another one is called for."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from OpenSSL import SSL


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """One identity with one trust, as a TLS context; None for plaintext. `not_after` is a Unix
    time, as is `renewable_at`, before which there will be no successor.
    """

    generation: int
    context: SSL.Context | None
    not_after: float
    spiffe_id: str = ""
    renewable_at: float = 0.0


PLAINTEXT: Final = Credentials(0, None, inf)


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """Credentials towards one far side: a connection made in an epoch gets no new request after
    it, and ends with its certificate at the latest. Compared by identity.

    Attributes:
        authority: the upstream's; "" towards the callers of an ingress.
    """

    credentials: Credentials
    authority: str = ""


def next_epoch(
    epoch: Epoch | None, credentials: Credentials | None, authority: str = "", *, same_trust: bool
) -> Epoch | None:
    """The epoch that goes on with the same far side, credentials and trust, or a new one."""
    if credentials is None:
        return None
    if epoch is None or epoch.credentials is not credentials:
        return Epoch(credentials, authority)
    return epoch if same_trust and epoch.authority == authority else Epoch(credentials, authority)
