"""How often the issuer may be asked: by one address, by one instance, with one token.

An address is counted where it shows no certificate. Who renews is counted by instance, so that
many behind one address, or of one name, don't hinder each other.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from certs.issuer.rate_limit import RateLimit
from certs.issuer.refusal import Code, Refused

#: So many seconds' worth may come at once.
_BURST_S: Final = 10
_MIN_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests a second, over time; ten times as many at once."""

    address: int = 20
    instance: int = 2
    token: int = 10


class Limits:
    """Counts the requests of one running issuer. `monotonic_s` is a clock that only goes forward.

    Raises:
        Refused: `rate_limited`, with the seconds to wait; from each method.
    """

    def __init__(self, rates: Rates, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._addresses = _limit(rates.address)
        self._instances = _limit(rates.instance)
        self._tokens = _limit(rates.token)
        self._monotonic_s = monotonic_s

    def address(self, peer: str) -> None:
        """A stranger asks from this address."""
        self._take(self._addresses, network_of(peer), "from this address")

    def instance(self, instance_id: str) -> None:
        """An instance asks."""
        self._take(self._instances, instance_id, "by this instance")

    def token(self, token_id: str) -> None:
        """Somebody who has the token asks."""
        self._take(self._tokens, token_id, "with this join token")

    def _take(self, limit: RateLimit, key: str, whose: str) -> None:
        wait_s = limit.take(key, self._monotonic_s())
        if wait_s:
            raise Refused(
                Code.RATE_LIMITED,
                f"too many requests {whose}",
                hint="wait and try again",
                retry_after_s=max(_MIN_RETRY_S, wait_s),
            )


def network_of(peer: str) -> str:
    """What one stranger has at least: an IPv4 address, or an IPv6 network of 64 bits, out of which
    each request could come from an address of its own.
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


def _limit(rate_per_s: int) -> RateLimit:
    return RateLimit(rate_per_s=rate_per_s, burst=rate_per_s * _BURST_S)
