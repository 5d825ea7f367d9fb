"""The store that a configuration means, set going before anything else that a command needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.cli import output
from identity.secret_stores.open import started_helper

if TYPE_CHECKING:
    from gateway.cli.snapshot import Snapshot
    from identity.secret_stores.keychain_helper import KeychainHelper


@contextmanager
def begun(snapshot: Snapshot) -> Iterator[KeychainHelper | None]:
    """What the store that a configuration means takes time to start, started; it is closed at the
    end.
    """
    helper = started_helper(snapshot.store, os.environ, on_prompt=_say_that_it_waits)
    try:
        yield helper
    finally:
        if helper is not None:
            helper.stop()


def _say_that_it_waits() -> None:
    output.note("the keychain is locked: waiting for its question to be answered")
