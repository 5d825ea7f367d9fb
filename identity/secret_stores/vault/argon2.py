"""How much work a passphrase costs: Argon2id (RFC 9106), calibrated and bounded. Pure.

The cost stands in the vault's file, which others may have edited. It is checked before it is used:
less than the floor would let a thief of the file guess quickly, more than the ceiling would let the
file use up this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from identity.secret_stores.vault.keys import KEY_BYTES

SALT_BYTES: Final = 16

#: OWASP's minimum for Argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
MIN_MEMORY_KIB: Final = 19 * 1024
MIN_PASSES: Final = 2
MAX_MEMORY_KIB: Final = 1024 * 1024
MAX_PASSES: Final = 16
MAX_LANES: Final = 8


class CostRefused(Exception):
    """A cost is outside of what is ever used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The parameters of Argon2id.

    Raises:
        CostRefused: one is below the floor or above the ceiling.
    """

    memory_kib: int
    passes: int
    lanes: int

    def __post_init__(self) -> None:
        bounds = (
            (self.memory_kib, MIN_MEMORY_KIB, MAX_MEMORY_KIB),
            (self.passes, MIN_PASSES, MAX_PASSES),
            (self.lanes, 1, MAX_LANES),
        )
        for value, least, most in bounds:
            if type(value) is not int or not least <= value <= most:
                raise CostRefused


FLOOR: Final = Cost(memory_kib=MIN_MEMORY_KIB, passes=MIN_PASSES, lanes=1)
#: RFC 9106's second recommended choice, from which calibration starts.
USUAL: Final = Cost(memory_kib=64 * 1024, passes=3, lanes=4)


def passphrase_key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """The key of a passphrase. Takes as long as `cost` says."""
    if len(salt) != SALT_BYTES:
        raise CostRefused
    kdf = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return kdf.derive(passphrase.encode())


def calibrate(
    measure: Callable[[Cost], float], *, target_s: float, memory_kib: int = MAX_MEMORY_KIB
) -> Cost:
    """The cost that takes about `target_s` by `measure`, in at most `memory_kib` of memory.

    Memory is what makes guessing expensive, so it grows first, up to the limit, then the passes.
    A machine that is too slow for the usual cost gets less, and never less than the floor.
    """
    cost = replace(USUAL, memory_kib=_within(USUAL.memory_kib, memory_kib))
    took = measure(cost)
    while took > target_s and cost != FLOOR:
        cost = _less(cost)
        took = measure(cost)
    while took * 2 <= target_s:
        more = _more(cost, memory_kib)
        if more == cost:
            break
        cost, took = more, measure(more)
    return cost


def _less(cost: Cost) -> Cost:
    if cost.memory_kib // 2 < MIN_MEMORY_KIB:
        return FLOOR
    return replace(cost, memory_kib=cost.memory_kib // 2)


def _more(cost: Cost, memory_kib: int) -> Cost:
    if cost.memory_kib < _within(cost.memory_kib * 2, memory_kib):
        return replace(cost, memory_kib=_within(cost.memory_kib * 2, memory_kib))
    return replace(cost, passes=min(cost.passes * 2, MAX_PASSES))


def _within(wanted: int, limit: int) -> int:
    return max(MIN_MEMORY_KIB, min(wanted, limit, MAX_MEMORY_KIB))
