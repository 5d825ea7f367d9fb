"""`identity.secret_stores.vault.locked_memory`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from identity.secret_stores.vault.locked_memory import LockedMemory


def test_holds_a_key_until_it_is_wiped() -> None:
    memory = LockedMemory(b"k" * 32)
    assert memory.read() == b"k" * 32
    assert "k" * 8 not in repr(memory)
    memory.wipe()
    assert memory.read() == bytes(32)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_kernel_counts_it_as_locked() -> None:
    def locked_kib() -> int:
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmLck:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    before = locked_kib()
    memory = LockedMemory(b"k" * 32)
    assert memory.is_locked
    assert locked_kib() - before >= 4
