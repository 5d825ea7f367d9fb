"""DNS for the workers, who never look a name up themselves."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from gateway.control_plane.snapshots import Addresses, Target

_LOG: Final = logging.getLogger(__name__)

Lookup = Callable[[str, int], Awaitable[tuple[Target, ...]]]

INTERVAL_S: Final = 30.0
#: After a failure; the resolver libraries have their own, shorter, retries inside one look-up.
RETRY_S: Final = 5.0
TIMEOUT_S: Final = 10.0


def literal(host: str, port: int) -> Addresses | None:
    """The answer for an IP literal or a Unix socket's path; None for a name: it has to be asked."""
    if not port:
        return Addresses(found=((host, 0),))
    try:
        return Addresses(found=((str(ipaddress.ip_address(host)), port),))
    except ValueError:
        return None


async def look_up(host: str, port: int) -> tuple[Target, ...]:
    """The system's answer, in its order of preference.

    Made in a daemon thread and not in the loop's pool: a look-up that hangs in the C library then
    neither holds up others nor the end of the process.

    Raises:
        OSError: the name does not resolve.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[Target, ...]] = loop.create_future()

    def settle(result: tuple[Target, ...] | OSError) -> None:
        if answer.done():
            return
        if isinstance(result, OSError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def work() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            result: tuple[Target, ...] | OSError = tuple(
                dict.fromkeys((str(item[4][0]), port) for item in found)
            )
        except (OSError, UnicodeError) as error:
            result = error if isinstance(error, OSError) else OSError("the name is not valid")
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=work, name="dns", daemon=True).start()
    return await answer


def _in_order(found: tuple[Target, ...]) -> tuple[Target, ...]:
    """The preferred IP family first. Within a family the system's order says little, and servers
    turn it round with each answer, which is no news.
    """
    six_first = ":" in found[0][0]
    return tuple(sorted(found, key=lambda target: ((":" in target[0]) != six_first, target)))


class Resolver:
    """Keeps a set of names resolved. `run` is its one task.

    A look-up that fails or is late leaves the last good addresses in use.
    """

    def __init__(self, on_change: Callable[[], None], *, lookup: Lookup = look_up) -> None:
        self._on_change = on_change
        self._lookup = lookup
        self._resolved: dict[Target, Addresses] = {}
        self._wake = asyncio.Event()

    @property
    def resolved(self) -> Mapping[Target, Addresses]:
        """The answers so far; a name that was not looked up yet is missing."""
        return self._resolved

    def watch(self, targets: Iterable[Target]) -> None:
        """Replace the set of names. Literals are there at once, new names after a look-up."""
        wanted = {}
        for host, port in targets:
            answer = literal(host, port) or self._resolved.get((host, port), Addresses())
            wanted[host, port] = answer
        self._resolved = wanted
        self._wake.set()

    async def run(self) -> None:
        """Look names up for ever, soon again after a failure."""
        while True:
            self._wake.clear()
            await self.refresh()
            failing = any(item.error for item in self._resolved.values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if failing else INTERVAL_S):
                    await self._wake.wait()

    async def refresh(self) -> None:
        """Look every name up once, all at the same time; none waits for another's answer."""
        names = [target for target in self._resolved if literal(*target) is None]
        asked = {asyncio.ensure_future(self._ask(target)): target for target in names}
        try:
            while asked:
                done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                news = [self._take(asked.pop(answer), answer.result()) for answer in done]
                if any(news):
                    self._on_change()
        finally:
            for answer in asked:
                answer.cancel()

    def _take(self, target: Target, answer: Addresses) -> bool:
        """Keep an answer; whether it says anything new."""
        if target not in self._resolved or self._resolved[target] == answer:
            return False
        self._report(target, answer)
        self._resolved[target] = answer
        return True

    async def _ask(self, target: Target) -> Addresses:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                addresses = await self._lookup(*target)
        except TimeoutError:
            error = f"no answer about {target[0]} in {TIMEOUT_S:g} s"
        except OSError as failure:
            error = f"{target[0]} does not resolve: {failure.strerror or failure}".lower()
        else:
            if addresses:
                return Addresses(found=_in_order(addresses))
            error = f"{target[0]} has no address"
        return Addresses(found=self._resolved.get(target, Addresses()).found, error=error)

    def _report(self, target: Target, answer: Addresses) -> None:
        if answer.error and not self._resolved[target].error:
            kept = "the last addresses stay in use" if answer.found else "no address is known"
            _LOG.warning("%s; %s", answer.error, kept, extra={"event": "resolve_failed"})
