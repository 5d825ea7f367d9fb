"""How often a person may be asked to touch, and how far each key has counted.

Who is asked all the time touches without reading. So prompts are limited, and more so while nobody
answers them; two commands never ask at the same time. The counters are beside: a key that counts
backwards was copied.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from identity.errors import SecurityKeyUnavailable, TouchDenied
from identity.mfa.assertion import encoded, is_cloned
from identity.private_folder import make_private
from identity.strict_json import strict_value

#: This many prompts within this time.
MOST_PROMPTS: Final = 10
WINDOW_S: Final = 60.0
#: Unanswered prompts that cost nothing; each further one doubles the wait.
_FREE: Final = 3
_MAX_WAIT_S: Final = 300.0
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What is known of past prompts. Times are seconds since 1970."""

    asked: tuple[float, ...] = ()
    unanswered: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)

    def wait_s(self, now: float) -> float:
        """How long until the next prompt."""
        recent = self._recent(now)
        full = WINDOW_S - (now - recent[-MOST_PROMPTS]) if len(recent) >= MOST_PROMPTS else 0.0
        if self.unanswered < _FREE or not self.asked:
            return full
        pause = min(2.0 ** min(self.unanswered - _FREE + 1, 16), _MAX_WAIT_S)
        # A clock that was set back must lock nobody out for long.
        since = max(0.0, now - min(self.asked[-1], now))
        return max(full, pause - since)

    def prompted(self, now: float) -> Prompts:
        """After one more, which nobody has answered yet."""
        return replace(self, asked=(*self._recent(now), now), unanswered=self.unanswered + 1)

    def answered(self, credential: bytes, counter: int) -> Prompts:
        """After a touch."""
        return replace(self, unanswered=0, counters={**self.counters, encoded(credential): counter})

    def is_cloned(self, credential: bytes, counter: int) -> bool:
        """Whether the key's counter didn't grow since its last touch."""
        return is_cloned(self.counters.get(encoded(credential), 0), counter)

    def joined(self, other: Prompts) -> Prompts:
        """What is known from both: nothing that either has seen is forgotten."""
        counters = dict(self.counters)
        for name, counter in other.counters.items():
            counters[name] = max(counter, counters.get(name, 0))
        return Prompts(
            asked=tuple(sorted({*self.asked, *other.asked})[-MOST_PROMPTS:]),
            unanswered=max(self.unanswered, other.unanswered),
            counters=counters,
        )

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(at for at in self.asked if 0 <= now - at < WINDOW_S)[-MOST_PROMPTS:]


class PromptFile:
    """`Prompts` in a file of mode 0600."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock

    @contextmanager
    def prompt(self) -> Iterator[Callable[[bytes, int], None]]:
        """One prompt, made while no other is. Call what it gives with the credential and the
        counter of the touch that answered it.

        Raises:
            TouchDenied: it is too soon; or, from the call, the key seems to be a copy.
            SecurityKeyUnavailable: the file can't be kept.
        """
        fd = _open(self._path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            before = _read(fd)
            now = self._clock()
            if (wait := before.wait_s(now)) > 0:
                raise TouchDenied(
                    f"a touch was asked for too often: try again in {math.ceil(wait)} s",
                    hint="did a program ask that you don't know? see 'devwiz-gw audit tail'",
                )
            prompted = before.prompted(now)
            _write(fd, prompted)

            def answered(credential: bytes, counter: int) -> None:
                if prompted.is_cloned(credential, counter):
                    raise TouchDenied(
                        "the security key counts backwards: there may be a copy of it",
                        hint="if it wasn't reset, remove it ('devwiz-gw mfa rm') and use another",
                    )
                _write(fd, prompted.answered(credential, counter))

            yield answered
        finally:
            os.close(fd)

    def take_over(self, other: Path) -> None:
        """Know what the file `other` knows as well, if there is one.

        Raises:
            SecurityKeyUnavailable: either file can't be used.
        """
        if not other.exists():
            return
        theirs = _open(other)
        try:
            known = _read(theirs)
        finally:
            os.close(theirs)
        ours = _open(self._path)
        try:
            fcntl.flock(ours, fcntl.LOCK_EX)
            _write(ours, _read(ours).joined(known))
        finally:
            os.close(ours)


def prompt_path(env: Mapping[str, str]) -> Path:
    """The user's file: `$XDG_STATE_HOME/devwiz-gw/touches.json`."""
    state = Path(env.get("XDG_STATE_HOME", ""))
    home = Path(env.get("HOME") or Path.home())
    # The XDG specification says that a relative value is to be ignored.
    return (state if state.is_absolute() else home / ".local" / "state") / _FILE


_FILE: Final = Path("devwiz-gw") / "touches.json"


def _open(path: Path) -> int:
    try:
        make_private(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise SecurityKeyUnavailable(
            f"prompts can't be counted in {path}: {(error.strerror or '').lower()}",
            hint="check the folder's mode, or set XDG_STATE_HOME to one that can be written to",
        ) from error


def _read(fd: int) -> Prompts:
    try:
        raw: Any = strict_value(os.pread(fd, _MAX_BYTES, 0) or b"{}")
        return Prompts(
            asked=tuple(float(at) for at in raw.get("asked", ())),
            unanswered=max(0, int(raw.get("unanswered", 0))),
            counters={str(name): int(count) for name, count in raw.get("counters", {}).items()},
        )
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise SecurityKeyUnavailable(
            "the file that counts touches is damaged",
            hint="remove touches.json from the state folder; a copied key is then noticed later",
        ) from None


def _write(fd: int, prompts: Prompts) -> None:
    kept = {"asked": prompts.asked, "unanswered": prompts.unanswered}
    text = json.dumps({**kept, "counters": dict(prompts.counters)}).encode()
    # Blanks up to the old length, so that a crash in between leaves no torn end behind.
    os.pwrite(fd, text.ljust(os.fstat(fd).st_size), 0)
    os.fsync(fd)
