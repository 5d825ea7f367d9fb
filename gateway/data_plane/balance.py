"""Which of an upstream's addresses a request goes to, and which are left out for a while. Pure.

The least busy address is taken, the one that waited longest among equals. Addresses that fail are
ejected for a growing time, in the manner of Envoy's outlier detection: a long row of failed
exchanges ejects at most half of them, because what fails may be the requests; a failed dial ejects
any but the last, because nothing is lost there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Address = tuple[str, int]

#: So many failed exchanges in a row eject an address.
FAILURES: Final = 5
#: How long the first ejection lasts; each that follows without a success lasts as much longer.
BASE_S: Final = 10.0
MOST_S: Final = 300.0


@dataclass(slots=True)
class _Standing:
    """How an address did lately. It is out from its ejection until a request succeeded there;
    from `out_until` on one request at a time may try.
    """

    failures: int = 0
    ejections: int = 0
    out_until: float = 0.0
    on_trial: bool = False
    chosen: int = 0


class Balance:
    """Knows the addresses of one upstream, and how each did.

    `alternatives` lead to the same machines by the other IP family: they are used once none of
    `addresses` was reached and one of them was, until it is the other way round.
    """

    __slots__ = ("_active", "_chosen", "_spare", "_standings", "_swapped")

    def __init__(self) -> None:
        self._standings: dict[Address, _Standing] = {}
        self._active: tuple[Address, ...] = ()
        self._spare: tuple[Address, ...] = ()
        self._swapped = False
        self._chosen = 0

    def update(self, addresses: tuple[Address, ...], alternatives: tuple[Address, ...]) -> None:
        """Replace the addresses; what is known of those that stay is kept."""
        self._swapped = self._swapped and bool(alternatives)
        self._active, self._spare = addresses, alternatives
        if self._swapped:
            self._active, self._spare = alternatives, addresses
        known = self._standings
        self._standings = {
            address: known.get(address) or _Standing() for address in (*addresses, *alternatives)
        }
        if not self.spreads:
            for address in self._active:  # the only one is never out
                standing = self._standings[address]
                standing.out_until, standing.on_trial = 0.0, False

    @property
    def active(self) -> tuple[Address, ...]:
        """Those that requests are spread over."""
        return self._active

    @property
    def spreads(self) -> bool:
        """Whether there is anything to choose, beside the IP family."""
        return len(self._active) > 1

    @property
    def ejected(self) -> dict[Address, bool]:
        """Each of the addresses that requests are spread over, and whether it is out."""
        if not self.spreads:
            return {}
        return {address: self._standings[address].out_until > 0 for address in self._active}

    # -- choosing --------------------------------------------------------------------------------

    def best(self, busy: Callable[[Address], int], now: float) -> Address:
        """Where the next request goes. `busy` says how much an address carries already."""
        active, standings = self._active, self._standings
        candidates = [address for address in active if standings[address].out_until <= now]

        def rank(address: Address) -> tuple[bool, int, int]:
            standing = standings[address]
            return standing.out_until == 0, busy(address), standing.chosen

        address = min(candidates or active, key=rank)
        standing = standings[address]
        self._chosen += 1
        standing.chosen = self._chosen
        if 0 < standing.out_until <= now:  # its time has come: this request tries for all
            standing.on_trial = True
            standing.out_until = now + _length_s(standing)
        return address

    def takes(self, address: Address, now: float) -> bool:
        """Whether a request that belongs to an address may go there."""
        standing = self._standings.get(address)
        return standing is not None and standing.out_until <= now

    def others(self, address: Address, busy: Callable[[Address], int], now: float) -> list[Address]:
        """Where to go on, in order, when `address` can't be reached: to those that are in, then by
        the other family, then to those that are out.
        """
        spare = frozenset(self._spare)

        def rank(other: Address) -> tuple[bool, bool, int]:
            return self._standings[other].out_until > now, other in spare, busy(other)

        return sorted((other for other in self._standings if other != address), key=rank)

    # -- what came of it -------------------------------------------------------------------------

    def reached(self, address: Address) -> bool:
        """A connection was made: its family is the one to use. Whether it is another one now."""
        swaps = address in self._spare
        if swaps:
            self._active, self._spare = self._spare, self._active
            self._swapped = not self._swapped
        return swaps

    def succeeded(self, address: Address) -> bool:
        """An exchange went well; whether this ends an ejection."""
        standing = self._standings.get(address)
        if standing is None or not (standing.failures or standing.out_until):
            return False
        was_out = standing.out_until > 0
        standing.failures = standing.ejections = 0
        standing.out_until = 0.0
        standing.on_trial = False
        return was_out

    def failed(self, address: Address, now: float, *, dialling: bool) -> float:
        """A dial or an exchange failed; for how many seconds the address is ejected, 0 if not."""
        standing = self._standings.get(address)
        if standing is None or (standing.out_until > now and not standing.on_trial):
            return 0.0  # gone, or out already: others of the same turn
        standing.failures += 1
        if not (dialling or standing.on_trial or standing.failures >= FAILURES):
            return 0.0
        standing.on_trial = False
        standing.out_until = 0.0
        if not self._is_spared(address, dialling=dialling):
            standing.ejections += 1
            standing.out_until = now + _length_s(standing)
            return _length_s(standing)
        return 0.0

    def _is_spared(self, address: Address, *, dialling: bool) -> bool:
        """Whether too few would be left in."""
        rivals = self._active if address in self._active else self._spare
        out = sum(self._standings[other].out_until > 0 for other in rivals)
        most = len(rivals) - 1 if dialling else len(rivals) // 2
        return out >= most


def _length_s(standing: _Standing) -> float:
    return min(BASE_S * standing.ejections, MOST_S)
