"""Keeps N workers alive: starts, feeds, asks, replaces and drains them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.control_plane.listeners import OpenListener
from gateway.control_plane.totals import Totals
from gateway.control_plane.views import WorkerState, WorkerView
from gateway.control_plane.worker_life import Hooks, WorkerLife, World
from gateway.control_plane.worker_process import COMMAND
from gateway.errors import ReplacementFailed
from gateway.ipc.events import Event
from gateway.ipc.sessions import Changes
from gateway.ipc.snapshot import Snapshot
from gateway.ipc.stats import RouteStats, WorkerStats

_LOG: Final = logging.getLogger(__name__)

#: How often workers are asked for their numbers when nobody else asks.
HEARTBEAT_S: Final = 10.0
#: Extra time for DRAINED to arrive after the deadline that the worker was given.
DRAIN_GRACE_S: Final = 2.0
#: A worker that lived this long starts with a clean sheet.
STABLE_S: Final = 60.0
#: How long fresh workers may take until they can do all that the present ones do.
REPLACEMENT_TIMEOUT_S: Final = 20.0
#: Retired workers that may still carry something, for each one in service.
MOST_RETIRING: Final = 4
_CRASH_LOOP: Final = 3


def restart_delay_s(failures: int) -> float:
    """How long to wait before a worker is started after `failures` short lives in a row."""
    if failures <= 1:
        return 0.0
    return min(10.0, 0.25 * 2.0 ** min(failures - 2, 10))


@dataclass(slots=True)
class _Slot:
    """The place of one worker, through all its lives."""

    index: int
    life: WorkerLife
    restarts: int = 0
    failures: int = 0

    @property
    def state(self) -> WorkerState:
        """What is shown of it."""
        state = self.life.state
        if state in ("starting", "stopped") and self.failures:
            return "crash-loop" if self.failures >= _CRASH_LOOP else "restarting"
        return state


class WorkerPool:
    """All workers. `run` is its one task; the other methods return at once or have a deadline.

    Args:
        count: how many workers.
        on_access: gets access-log lines as they come.
        on_event: gets each event of a worker: see `gateway.ipc.events`.
        command: what starts a worker.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        count: int,
        *,
        on_access: Callable[[bytes], None],
        on_event: Callable[[Event], None],
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._changed = asyncio.Event()
        self._hooks = Hooks(
            on_access=on_access,
            on_event=on_event,
            on_change=self._notify,
            command=command,
            clock=clock,
        )
        self._world = World()
        self._totals = Totals()
        self._slots = tuple(_Slot(index, self._new_life(index)) for index in range(count))
        self._lives: list[WorkerLife] = []
        self._group: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    @property
    def views(self) -> tuple[WorkerView, ...]:
        """Each worker as it stands; those that retire come last."""
        in_service = {slot.life for slot in self._slots}
        leaving = [
            life for life in self._lives if life not in in_service and life.state == "retiring"
        ]
        return (
            *(_view(slot.life, slot.state, slot.restarts) for slot in self._slots),
            *(_view(life, "retiring", 0) for life in leaving),
        )

    @property
    def stats(self) -> dict[str, RouteStats]:
        """Every route's numbers, as far as they were told; dead workers' included."""
        return self._totals.merged(self._living_stats())

    @property
    def access_lines_dropped(self) -> int:
        """Access-log lines that workers could not hand over."""
        return self._totals.access_lines_dropped(self._living_stats())

    async def run(self) -> None:
        """Keep every worker alive until the pool is drained or this is cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            heartbeat = group.create_task(self._heartbeat())
            places = [group.create_task(self._keep_alive(slot)) for slot in self._slots]
            await asyncio.wait(places)
            heartbeat.cancel()

    def publish(self, snapshot: Snapshot, listeners: Iterable[OpenListener]) -> None:
        """Make this the state of the world for all workers, those to come included."""
        known = {listener.id for listener in self._world.listeners}
        self._world.listeners = tuple(listeners)
        self._world.snapshot = snapshot
        fresh = [listener for listener in self._world.listeners if listener.id not in known]
        for life in self._lives:
            life.follow(fresh)

    def share(self, sessions: Changes) -> None:
        """A worker told this of sessions: for the others, and those to come."""
        self._world.sessions.merge(sessions, self._clock())
        for life in self._lives:
            life.share(sessions)

    def tell_renewed(self, route: str) -> None:
        """Other credentials were asked for; those that were got are published."""
        for life in self._lives:
            life.tell_renewed(route)

    async def wait_applied(self, number: int, timeout_s: float) -> bool:
        """Whether every worker used snapshot `number` (or a later one) within the time."""
        return await self._wait_for(
            lambda: all(slot.life.snapshot >= number for slot in self._slots), timeout_s
        )

    async def refresh_stats(self, timeout_s: float = 1.0) -> None:
        """Ask all workers for their numbers; whoever does not answer in time keeps the old ones."""
        askers = [life.ask() for life in self._lives]
        if askers:
            await asyncio.wait(askers, timeout=timeout_s)

    async def replace(
        self, deadline_s: float | None, *, command: Sequence[str] | None = None
    ) -> None:
        """Put fresh workers in the place of all. They accept on the same sockets before the old
        ones stop, so that nobody is refused; what the old ones carry goes on until it ends, or
        until the deadline, which holds for those that were replaced before as well. With a
        `command` it starts them, and those to come.

        Raises:
            ReplacementFailed: the present workers go on.
        """
        retiring = [life for life in self._lives if life.state == "retiring"]
        if deadline_s is not None:
            for life in retiring:
                life.retire(deadline_s)
        if len(retiring) >= MOST_RETIRING * len(self._slots):
            raise ReplacementFailed(
                f"{len(retiring)} workers that were replaced before still carry connections",
                hint="`devwiz-gw status` shows them: wait until they end, or end them by "
                "`devwiz-gw reload --workers --deadline SECONDS` and ask again after that time",
            )
        hooks = replace(self._hooks, command=command or self._hooks.command)
        fresh = [
            self._begin(WorkerLife(index, self._world, hooks)) for index in range(len(self._slots))
        ]
        try:
            await self._wait_until_serving(fresh)
        except BaseException:
            for life in fresh:
                life.retire(None)
            raise
        self._hooks = hooks
        for slot, life in zip(self._slots, fresh, strict=True):
            old, slot.life, slot.failures = slot.life, life, 0
            old.retire(deadline_s)
        self._notify()

    async def _wait_until_serving(self, fresh: Sequence[WorkerLife]) -> None:
        def serve() -> bool:
            snapshot = self._world.snapshot
            return snapshot is not None and all(life.serves(snapshot.number) for life in fresh)

        def failed() -> bool:
            return any(life.state == "stopped" for life in fresh)

        await self._wait_for(lambda: serve() or failed(), REPLACEMENT_TIMEOUT_S)
        if failed() or not serve():
            raise ReplacementFailed(
                "a fresh worker died" if failed() else "the fresh workers didn't start in time",
                hint="the workers that there were go on; the log says more",
            )

    async def drain(self, deadline_s: float) -> int:
        """Let the workers finish and end; how many connections had to be cut.

        Those that are not done at the deadline are killed, and count as one cut at least.
        """
        self._stopping.set()
        leaving = list(self._lives)
        for life in leaving:
            life.drain(deadline_s)
        await self._wait_for(lambda: not self._lives, deadline_s + DRAIN_GRACE_S)
        self.kill()
        return sum(life.cut for life in leaving)

    def kill(self) -> None:
        """End all workers now, and for good."""
        self._stopping.set()
        for life in self._lives:
            life.kill()

    def _living_stats(self) -> list[WorkerStats]:
        return [life.stats for life in self._lives if life.stats is not None]

    # -- lives -----------------------------------------------------------------------------------

    def _new_life(self, index: int) -> WorkerLife:
        return WorkerLife(index, self._world, self._hooks)

    def _begin(self, life: WorkerLife) -> WorkerLife:
        if self._group is None:
            raise RuntimeError("the pool does not run")
        self._lives.append(life)
        self._group.create_task(self._live(life))
        return life

    async def _live(self, life: WorkerLife) -> None:
        """One life, and what is left of it."""
        await life.run()
        self._lives.remove(life)
        if life.stats is not None:
            self._totals.retire(life.stats)
            life.stats = None
        self._notify()

    async def _keep_alive(self, slot: _Slot) -> None:
        self._begin(slot.life)
        while True:
            await self._until(lambda: slot.life.state == "stopped")
            if self._stopping.is_set():
                return
            lived_s = self._clock() - slot.life.began
            slot.failures = 1 if lived_s >= STABLE_S else slot.failures + 1
            slot.restarts += 1
            self._notify()
            await self._pause(restart_delay_s(slot.failures))
            if slot.life.state == "stopped" and not self._stopping.is_set():
                slot.life = self._begin(self._new_life(slot.index))

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for life in self._lives:
                life.check(self._clock())

    # -- waiting ---------------------------------------------------------------------------------

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            await self._changed.wait()

    async def _wait_for(self, done: Callable[[], bool], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._until(done)
        except TimeoutError:
            return done()
        return True


def _view(life: WorkerLife, state: WorkerState, restarts: int) -> WorkerView:
    stats = life.stats
    return WorkerView(
        pid=life.pid,
        state=state,
        restarts=restarts,
        snapshot=life.snapshot,
        connections=stats.open_connections if stats else 0,
        streams=sum(route.streams for route in stats.routes.values()) if stats else 0,
        buffered_bytes=stats.buffered_bytes if stats else 0,
    )
