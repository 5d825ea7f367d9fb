"""Kills a process before each of its system calls, one after the other: Linux's ptrace(2).

    python -m tests.fakes.kill_points FOLDER {set|replace|delete|slot|make}

does one change to a vault in a fresh copy of FOLDER/before, dead at the first system call, the
second, and so on until it lives; after each death the vault must be whole and hold the old state
or the new one. Prints how often it was which.
"""

from __future__ import annotations

import collections
import ctypes
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from identity.errors import SecretNotFound, VaultMissing
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.vault.opening import Unlocked, add_slot
from identity.secret_stores.vault.vault import Vault
from tests.fakes.vault import NOW, GivenSlot, VaultRig

TRACEME, SYSCALL, SETOPTIONS = 0, 24, 0x4200
# Stops at system calls are told from signals; a traced process dies with its tracer.
OPTIONS = 0x00000001 | 0x00100000
AT_CALL = signal.SIGTRAP | 0x80
_LIBC = ctypes.CDLL(None, use_errno=True)

OLD = SecretRef("acme", "old")
NEW = SecretRef("acme", "new")
SPARE = GivenSlot(b"s" * 32)


def ptrace(request: int, pid: int, data: int = 0) -> None:
    """The system call. Raises OSError."""
    arguments = (ctypes.c_long(pid), ctypes.c_void_p(0), ctypes.c_void_p(data))
    if _LIBC.ptrace(ctypes.c_long(request), *arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def lives_through(work: Callable[[], object], *, call: int) -> bool:
    """Do `work` in a child that is killed before its system call number `call`; whether it ended
    before that.
    """
    pid = os.fork()
    if pid == 0:
        try:
            ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, OPTIONS)
    stops = 0
    while True:
        ptrace(SYSCALL, pid)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return True
        # Each call stops twice, before and after.
        stops += os.WSTOPSIG(status) == AT_CALL
        if stops == 2 * call + 1:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False


class Subject:
    """The vault in a copy of the prepared folder; it is open before the change begins."""

    def __init__(self, folder: Path, change: str) -> None:
        self._before, copy = folder / "before", folder / "copy"
        self._before.mkdir()
        if change != "make":
            before = VaultRig(self._before).make()
            before.vault().set(OLD, Secret("old" * 2000))
        self._change = change
        self._rig = VaultRig(copy)
        self._opened: tuple[Unlocked, Vault] | None = None
        self.begin_again()

    def begin_again(self) -> None:
        """Put the state from before the change back, for a process that has seen no later one."""
        shutil.rmtree(self._rig.place.folder.parent, ignore_errors=True)
        shutil.copytree(self._before, self._rig.place.folder.parent)
        if self._change != "make":
            unlocked = self._rig.unlocked() if self._opened is None else self._opened[0]
            keys = unlocked.keys()
            self._opened = (unlocked, Vault(self._rig.place, lambda: keys))

    def change(self) -> None:
        """Make the change."""
        if self._opened is None:
            self._rig.make()
            return
        unlocked, vault = self._opened
        if self._change == "delete":
            vault.delete(OLD)
        elif self._change == "slot":
            add_slot(vault, unlocked, SPARE, label="", now=NOW)
        else:
            vault.set(NEW if self._change == "set" else OLD, Secret("v" * 5000))

    def state(self) -> object:
        """Everything that a change may change, of a vault that is whole; None without one."""
        try:
            vault = self._rig.vault() if self._opened is None else self._opened[1]
            slots = vault.check().contents.slots
        except VaultMissing:
            return None
        return (self._value(vault, OLD), self._value(vault, NEW), [row.id for row in slots])

    def _value(self, vault: Vault, ref: SecretRef) -> str | None:
        try:
            return vault.get(ref).reveal()
        except SecretNotFound:
            return None


def main(folder: Path, change: str) -> dict[str, int]:
    """How often the old state was found and how often the new one."""
    subject = Subject(folder, change)
    old = subject.state()
    subject.change()
    new = subject.state()
    found: collections.Counter[str] = collections.Counter()
    is_alive = False
    call = 0
    while not is_alive:
        subject.begin_again()
        is_alive = lives_through(subject.change, call=call)
        after = subject.state()
        if after not in (old, new):
            raise AssertionError(f"killed before call {call}: {after}")
        found["new" if after == new else "old"] += 1
        if after == old:
            # What was cut short can be done again.
            subject.change()
            if subject.state() != new:
                raise AssertionError(f"killed before call {call}: it can't be done again")
        call += 1
    return dict(found)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
