"""Keeps N workers alive: starts, feeds, asks, replaces and drains them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.control_plane.listeners import OpenListener
from gateway.control_plane.totals import Totals
from gateway.control_plane.views import WorkerState, WorkerView
from gateway.control_plane.worker_process import COMMAND, WorkerProcess
from gateway.ipc.events import Event, decode_event
from gateway.ipc.frames import FrameError, Kind
from gateway.ipc.json_values import as_integer, parse_object
from gateway.ipc.snapshot import Snapshot
from gateway.ipc.stats import RouteStats, WorkerStats

_LOG: Final = logging.getLogger(__name__)

#: A worker that has not said READY by then is replaced.
READY_TIMEOUT_S: Final = 15.0
#: How often workers are asked for their numbers when nobody else asks.
HEARTBEAT_S: Final = 10.0
#: A worker that has been silent for this long is hung, and killed.
SILENCE_S: Final = 35.0
#: Extra time for DRAINED to arrive after the deadline that the worker was given.
DRAIN_GRACE_S: Final = 2.0
#: A worker that lived this long starts with a clean sheet.
STABLE_S: Final = 60.0
#: Descriptors beside one frame: the kernel takes 253.
_DESCRIPTORS_A_FRAME: Final = 128
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
    state: WorkerState = "starting"
    restarts: int = 0
    failures: int = 0
    snapshot: int = 0
    process: WorkerProcess | None = None
    stats: WorkerStats | None = None
    heard_at: float = 0.0
    drained: int | None = 0
    stats_waiters: list[asyncio.Future[None]] = field(default_factory=list)


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
        self._slots = tuple(_Slot(index) for index in range(count))
        self._on_access = on_access
        self._on_event = on_event
        self._command = command
        self._clock = clock
        self._totals = Totals()
        self._listeners: tuple[OpenListener, ...] = ()
        self._snapshot: Snapshot | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()

    @property
    def views(self) -> tuple[WorkerView, ...]:
        """Each worker as it stands."""
        return tuple(
            WorkerView(
                pid=slot.process.pid if slot.process else 0,
                state=slot.state,
                restarts=slot.restarts,
                snapshot=slot.snapshot,
                connections=slot.stats.open_connections if slot.stats else 0,
                buffered_bytes=slot.stats.buffered_bytes if slot.stats else 0,
            )
            for slot in self._slots
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
            heartbeat = group.create_task(self._heartbeat())
            lives = [group.create_task(self._keep_alive(slot)) for slot in self._slots]
            await asyncio.wait(lives)
            heartbeat.cancel()

    def publish(self, snapshot: Snapshot, listeners: Iterable[OpenListener]) -> None:
        """Make this the state of the world for all workers, those to come included."""
        known = {listener.id for listener in self._listeners}
        self._listeners = tuple(listeners)
        self._snapshot = snapshot
        fresh = [listener for listener in self._listeners if listener.id not in known]
        for slot in self._slots:
            if slot.state == "ready" and slot.process is not None:
                self._feed(slot, slot.process, fresh)

    async def wait_applied(self, number: int, timeout_s: float) -> bool:
        """Whether every worker used snapshot `number` (or a later one) within the time."""
        return await self._wait_for(
            lambda: all(slot.snapshot >= number for slot in self._slots), timeout_s
        )

    async def refresh_stats(self, timeout_s: float = 1.0) -> None:
        """Ask all workers for their numbers; whoever does not answer in time keeps the old ones."""
        waiters = []
        for slot in self._slots:
            if slot.process is not None and slot.state in ("ready", "draining"):
                waiter = asyncio.get_running_loop().create_future()
                slot.stats_waiters.append(waiter)
                waiters.append(waiter)
                self._send(slot.process, Kind.STATS)
        if waiters:
            await asyncio.wait(waiters, timeout=timeout_s)

    async def drain(self, deadline_s: float) -> int:
        """Let the workers finish and end; how many connections had to be cut.

        Those that are not done at the deadline are killed, and count as one cut at least.
        """
        self._stopping.set()
        payload = json.dumps({"deadline_s": deadline_s}).encode()
        for slot in self._slots:
            if slot.process is not None:
                slot.state = "draining"
                self._send(slot.process, Kind.DRAIN, payload)
        await self._wait_for(self._all_stopped, deadline_s + DRAIN_GRACE_S)
        self.kill()
        return sum(1 if slot.drained is None else slot.drained for slot in self._slots)

    def kill(self) -> None:
        """End all workers now, and for good."""
        self._stopping.set()
        for slot in self._slots:
            if slot.process is not None:
                slot.process.kill()

    def _all_stopped(self) -> bool:
        return all(slot.state == "stopped" for slot in self._slots)

    def _living_stats(self) -> list[WorkerStats]:
        return [slot.stats for slot in self._slots if slot.stats is not None]

    async def _keep_alive(self, slot: _Slot) -> None:
        while not self._stopping.is_set():
            started = self._clock()
            await self._live(slot)
            if self._stopping.is_set():
                break
            slot.failures = 1 if self._clock() - started >= STABLE_S else slot.failures + 1
            slot.restarts += 1
            looping = slot.failures >= _CRASH_LOOP
            await self._enter(slot, "crash-loop" if looping else "restarting")
            await self._pause(restart_delay_s(slot.failures))
        await self._enter(slot, "stopped")

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _live(self, slot: _Slot) -> None:
        """One life of one worker, from its start until it is reaped."""
        if slot.failures < _CRASH_LOOP:
            await self._enter(slot, "starting")
        try:
            process = await WorkerProcess.start(self._command)
        except OSError as error:
            _LOG.error("can't start a worker: %s", error.strerror, extra={"event": "worker_failed"})
            return
        slot.process, slot.heard_at, slot.drained = process, self._clock(), None
        try:
            await self._converse(slot, process)
        except (FrameError, TimeoutError) as error:
            # Whatever a worker says, it costs that worker and never the supervisor.
            _LOG.error("worker %d: %s", process.pid, str(error) or "not ready in time")
            process.kill()
        finally:
            code = await process.finish()
            self._bury(slot, process, code)

    def _bury(self, slot: _Slot, process: WorkerProcess, code: int) -> None:
        slot.process, slot.snapshot = None, 0
        if slot.stats is not None:
            self._totals.retire(slot.stats)
            slot.stats = None
        self._wake_stats_waiters(slot)
        if self._stopping.is_set():
            return
        slot.drained = 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _LOG.error(
            "worker %d died (%s) and is replaced",
            process.pid,
            how,
            extra={"event": "worker_died", "restarts": slot.restarts + 1},
        )

    async def _converse(self, slot: _Slot, process: WorkerProcess) -> None:
        frames = process.frames()
        try:
            try:
                async with asyncio.timeout(READY_TIMEOUT_S):
                    kind, _ = await anext(frames)
            except StopAsyncIteration:
                return
            if kind is not Kind.READY:
                raise FrameError(f"said {kind.name} before READY")
            if self._stopping.is_set():
                slot.drained = 0
                return
            _LOG.info("worker %d is ready", process.pid, extra={"event": "worker_ready"})
            await self._enter(slot, "ready")
            self._feed(slot, process, self._listeners)
            async for kind, payload in frames:
                slot.heard_at = self._clock()
                await self._take(slot, kind, payload)
        finally:
            await frames.aclose()

    def _feed(self, slot: _Slot, process: WorkerProcess, listeners: Sequence[OpenListener]) -> None:
        """Hand a worker its sockets, then the snapshot that names them."""
        for start in range(0, len(listeners), _DESCRIPTORS_A_FRAME):
            some = listeners[start : start + _DESCRIPTORS_A_FRAME]
            names = json.dumps([listener.id for listener in some]).encode()
            descriptors = [listener.sockets[slot.index].fileno() for listener in some]
            self._send(process, Kind.LISTEN, names, descriptors)
        if self._snapshot is not None:
            self._send(process, Kind.SNAPSHOT, self._snapshot.to_json())

    def _send(
        self,
        process: WorkerProcess,
        kind: Kind,
        payload: bytes = b"",
        descriptors: Sequence[int] = (),
    ) -> None:
        try:
            process.send(kind, payload, descriptors)
        except FrameError as error:
            _LOG.error("worker %d: %s", process.pid, error, extra={"event": "worker_hung"})
            process.kill()

    async def _take(self, slot: _Slot, kind: Kind, payload: bytes) -> None:
        match kind:
            case Kind.ACCESS:
                self._on_access(payload)
            case Kind.STATS:
                slot.stats = WorkerStats.from_json(payload)
                self._wake_stats_waiters(slot)
            case Kind.EVENT:
                self._on_event(decode_event(payload))
            case Kind.APPLIED:
                slot.snapshot = as_integer(parse_object(payload).get("number"))
                await self._notify()
            case Kind.DRAINED:
                slot.drained = as_integer(parse_object(payload).get("forced"))
            case _:
                raise FrameError(f"unexpected frame {kind.name}")

    def _wake_stats_waiters(self, slot: _Slot) -> None:
        for waiter in slot.stats_waiters:
            if not waiter.done():
                waiter.set_result(None)
        slot.stats_waiters.clear()

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for slot in self._slots:
                if slot.process is None:
                    continue
                if self._clock() - slot.heard_at > SILENCE_S:
                    _LOG.error("worker %d is hung: killed", slot.process.pid)
                    slot.process.kill()
                elif slot.state == "ready":
                    self._send(slot.process, Kind.STATS)

    async def _enter(self, slot: _Slot, state: WorkerState) -> None:
        slot.state = state
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait_for(self, done: Callable[[], bool], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(done)
        except TimeoutError:
            return done()
        return True
