"""The one thread in which the issuer's state is used, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from certs.issuer.refusal import Code, Refused

_MAX_WAITING: Final = 128
_DEADLINE_S: Final = 10.0

Result = TypeVar("Result")


class Worker:
    """Runs calls one after the other in a thread of its own; `close` when done."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="issuer")
        self._waiting = 0

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run `call` after those that wait already.

        Raises:
            Refused: `overloaded`: too many wait, or its turn didn't come in time. A call that had
                begun goes on to its end.
        """
        if self._waiting >= _MAX_WAITING:
            raise _overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except TimeoutError as error:
            raise _overloaded() from error
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the thread; call it when nothing waits any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _overloaded() -> Refused:
    return Refused(
        Code.OVERLOADED,
        "the issuer has more requests than it can answer",
        hint="wait and try again",
        retry_after_s=1,
    )
