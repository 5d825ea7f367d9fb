"""A token source that gives what the test says."""

from __future__ import annotations

from datetime import timedelta

from identity.fault import Fault
from identity.secret_stores.base import Secret
from identity.token_sources.base import Token
from tests.fakes.clock import FakeClock


class ScriptedSource:
    """Gives "token-1", "token-2", …, each with an end `life_s` after it was asked for.

    Attributes:
        error: raised instead, while it is set.
        ask_again_s: see `Token`.
    """

    def __init__(self, clock: FakeClock, *, life_s: float | None = 3600.0) -> None:
        self._clock = clock
        self.life_s = life_s
        self.ask_again_s: float | None = None
        self.error: Fault | None = None
        self.asked = 0
        self.is_closed = False

    async def fetch(self) -> Token:
        self.asked += 1
        if self.error is not None:
            raise self.error
        now = self._clock.now()
        end = None if self.life_s is None else now + timedelta(seconds=self.life_s)
        value = Secret(f"token-{self.asked}")
        return Token(value=value, expires_at=end, ask_again_s=self.ask_again_s)

    async def close(self) -> None:
        self.is_closed = True
