"""How soon after failed attempts to unlock the next one may be made."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from identity.errors import StoreUnavailable, UnlockRefused
from identity.private_folder import make_private
from identity.strict_json import strict_value

#: Mistyping costs nothing so far.
_FREE: Final = 3
_MAX_WAIT_S: Final = 300.0
_MAX_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many attempts failed since the last good one, and when the last of them was."""

    failures: int = 0
    last: float = 0.0

    def wait_s(self, now: float) -> float:
        """How long until the next attempt: 2, 4, 8 … seconds after the third, at most 5 minutes."""
        if self.failures < _FREE:
            return 0.0
        pause = min(2.0 ** min(self.failures - _FREE + 1, 16), _MAX_WAIT_S)
        return max(0.0, pause - (now - self.last))

    def seen(self, now: float) -> Attempts:
        """As it looks at `now`: a clock that was set back must lock nobody out for long."""
        return self if 0 <= self.last <= now else Attempts(self.failures, now)

    def failed(self, now: float) -> Attempts:
        """After one more."""
        return Attempts(self.failures + 1, now)


@contextmanager
def attempt(path: Path, clock: Callable[[], float]) -> Iterator[None]:
    """One attempt to unlock, made while no other is; an `UnlockRefused` in it is counted.

    It is counted as failed before it is made, so that killing the process saves nothing.

    Raises:
        UnlockRefused: it is too soon after failed ones.
        StoreUnavailable: the file that counts can't be written.
    """
    try:
        make_private(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"attempts to unlock can't be counted in {path}: {(error.strerror or '').lower()}",
            hint="look at the owner and mode of its folder",
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        now = clock()
        before = _read(fd).seen(now)
        if wait := before.wait_s(now):
            _write(fd, before)
            raise UnlockRefused(
                f"too many attempts to unlock failed: try again in {math.ceil(wait)} s",
                hint="each further one doubles the time, up to 5 minutes",
            )
        _write(fd, before.failed(now))
        try:
            yield
        except UnlockRefused:
            raise
        except BaseException:
            _write(fd, before)  # nothing was tried
            raise
        _write(fd, Attempts())
    finally:
        os.close(fd)


def _read(fd: int) -> Attempts:
    try:
        raw = strict_value(os.pread(fd, _MAX_BYTES, 0))
        return Attempts(max(0, int(raw["failures"])), float(raw["last"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return Attempts()


def _write(fd: int, attempts: Attempts) -> None:
    text = json.dumps({"failures": attempts.failures, "last": attempts.last}).encode()
    os.pwrite(fd, text.ljust(128), 0)
    os.fsync(fd)
