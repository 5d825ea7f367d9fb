"""The kinds of slots that a vault may have here, by name. A new kind is one more line."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from gateway.cli.parsers import UsageError, seconds
from identity.secret_stores.base import Secret
from identity.secret_stores.vault.argon2 import SALT_BYTES, Cost, calibrate, passphrase_key
from identity.secret_stores.vault.contents import SlotRow
from identity.secret_stores.vault.keychain_slot import KeychainSlot
from identity.secret_stores.vault.passphrase_slot import PassphraseSlot
from identity.secret_stores.vault.recovery_slot import RecoverySlot
from identity.secret_stores.vault.slots import SlotKind

UNLOCK_S: Final = 0.5
# What a new vault may use of this machine: a quarter of the memory, and no more than that.
_MAX_CALIBRATED_KIB: Final = 512 * 1024


def add_unlock_time(parser: argparse.ArgumentParser) -> None:
    """Add `--unlock-time`."""
    parser.add_argument(
        "--unlock-time",
        type=seconds,
        default=UNLOCK_S,
        metavar="SECONDS",
        help="how long one try of a new passphrase is to take on this machine (default: 0.5)",
    )


class Asker(Protocol):
    """Asks for what a slot needs to know."""

    def passphrase(self) -> Secret:
        """The passphrase."""
        ...

    def recovery_code(self) -> Secret:
        """The recovery code."""
        ...


class Making(NamedTuple):
    """What only new slots need: where a recovery code is shown, how long unlocking may take, and
    the mode that a security key is pinned to (None: the stricter one that it can).
    """

    show_code: Callable[[str], None]
    unlock_s: float
    verified: bool | None = None


def slot_kind(
    name: str, asker: Asker, making: Making | None = None, *, rows: Sequence[SlotRow] = ()
) -> SlotKind:
    """The kind called `name`; `rows` are the slots that may be opened by it.

    Raises:
        UsageError: there is none of that name.
    """
    if name == "fido2":
        return _fido2(making, rows)
    try:
        make = _KINDS[name]
    except KeyError:
        raise UsageError(
            f"there is no kind of slot {name!r}", hint=f"there are: {', '.join(KIND_NAMES)}"
        ) from None
    return make(asker, making or Making(lambda _code: None, UNLOCK_S))


def _fido2(making: Making | None, rows: Sequence[SlotRow]) -> SlotKind:
    from gateway.cli.touch import ceremony
    from identity.secret_stores.vault.fido2_slot import Fido2Slot

    shown = [
        "A touch opens the vault." if making is None else "A touch becomes a way into the vault."
    ]
    verified = making.verified if making is not None else None
    return Fido2Slot(lambda: ceremony(shown), rows=rows, verified=verified)


def _passphrase(asker: Asker, making: Making) -> SlotKind:
    return PassphraseSlot(asker.passphrase, cost=lambda: _calibrated(making.unlock_s))


def _recovery(asker: Asker, making: Making) -> SlotKind:
    return RecoverySlot(asker.recovery_code, show=making.show_code)


def _keychain(_asker: Asker, _making: Making) -> SlotKind:
    from identity.secret_stores.keychain import Keychain
    from identity.secret_stores.keychain_helper import KeychainHelper

    return KeychainSlot(Keychain(KeychainHelper(os.environ), area="vault"))


_KINDS: Final[dict[str, Callable[[Asker, Making], SlotKind]]] = {
    "passphrase": _passphrase,
    "recovery": _recovery,
    "keychain": _keychain,
}
KIND_NAMES: Final = (*_KINDS, "fido2")


def _calibrated(target_s: float) -> Cost:
    def measure(cost: Cost) -> float:
        began = time.perf_counter()
        passphrase_key("calibration", bytes(SALT_BYTES), cost)
        return time.perf_counter() - began

    limit = min(_memory_kib() // 4, _MAX_CALIBRATED_KIB)
    return calibrate(measure, target_s=target_s, memory_kib=limit)


def _memory_kib() -> int:
    """What this machine, or this container of it, has."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        allowed = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        allowed = machine
    return min(machine, allowed) // 1024
