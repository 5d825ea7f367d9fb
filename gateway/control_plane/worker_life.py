"""One worker, from its start until it is reaped: what it is told, and what it says."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.control_plane.listeners import OpenListener
from gateway.control_plane.worker_process import COMMAND, WorkerProcess
from gateway.ipc.events import Event, decode_event
from gateway.ipc.frames import FrameError, Kind
from gateway.ipc.json_values import as_integer, parse_object
from gateway.ipc.sessions import Changes, Sessions, encode_changes
from gateway.ipc.snapshot import Snapshot
from gateway.ipc.stats import WorkerStats

_LOG: Final = logging.getLogger(__name__)

#: A worker that has not said READY by then is given up.
READY_TIMEOUT_S: Final = 15.0
#: A worker that has been silent for this long is hung, and killed.
SILENCE_S: Final = 35.0
#: Descriptors beside one frame: the kernel takes 253.
_DESCRIPTORS_A_FRAME: Final = 128

LifeState = Literal["starting", "ready", "retiring", "draining", "stopped"]


@dataclass(slots=True)
class World:
    """What every worker is to know; the pool changes it."""

    snapshot: Snapshot | None = None
    listeners: tuple[OpenListener, ...] = ()
    sessions: Sessions = field(default_factory=Sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What is made of what a worker says, and how it is started.

    Attributes:
        on_access: gets access-log lines as they come.
        on_event: gets each event: see `gateway.ipc.events`.
        on_change: called when state, snapshot or process have changed.
        command: what starts a worker.
        clock: seconds of a monotonic clock.
    """

    on_access: Callable[[bytes], None]
    on_event: Callable[[Event], None]
    on_change: Callable[[], None]
    command: Sequence[str] = COMMAND
    clock: Callable[[], float] = time.monotonic


class WorkerLife:
    """`run` is its one task; the other methods return at once.

    Attributes:
        state: "starting" until it was fed, "stopped" once it is reaped.
        snapshot: the number that it uses.
        stats: what it last told.
        began: when, by the clock.
        pid: 0 while there is no process.
    """

    def __init__(self, index: int, world: World, hooks: Hooks) -> None:
        """`index` says which of each listener's sockets it gets."""
        self.state: LifeState = "starting"
        self.snapshot = 0
        self.stats: WorkerStats | None = None
        self.began = hooks.clock()
        self._index = index
        self._world = world
        self._hooks = hooks
        self._process: WorkerProcess | None = None
        self._killed = False
        self._heard_at = self.began
        self._cut: int | None = 0
        self._askers: list[asyncio.Future[None]] = []

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid if self._process is not None else 0

    @property
    def cut(self) -> int:
        """How many connections it had to cut; one at least, if it was fed and didn't tell."""
        return 1 if self._cut is None else self._cut

    def serves(self, number: int) -> bool:
        """Whether it accepts, with this snapshot or a later one."""
        return self.state == "ready" and self.snapshot >= number

    async def run(self) -> None:
        """Live. Faults of the worker end it, and never come out of here."""
        hooks = self._hooks
        try:
            process = await WorkerProcess.start(hooks.command)
        except OSError as error:
            _LOG.error("can't start a worker: %s", error.strerror, extra={"event": "worker_failed"})
            self._enter("stopped")
            return
        self._process, self._heard_at = process, hooks.clock()
        if self._killed:
            process.kill()
        try:
            await self._converse(process)
        except (FrameError, TimeoutError) as error:
            # Whatever a worker says, it costs that worker and never the supervisor.
            _LOG.error("worker %d: %s", process.pid, str(error) or "not ready in time")
            process.kill()
        finally:
            self._end(process.pid, await process.finish())

    def _end(self, pid: int, code: int) -> None:
        expected = self._killed or (code == 0 and self.state in ("retiring", "draining"))
        self._process, self.snapshot = None, 0
        self._wake_askers()
        self._enter("stopped")
        if expected:
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _LOG.error("worker %d died (%s)", pid, how, extra={"event": "worker_died"})

    # -- what it is told -------------------------------------------------------------------------

    def follow(self, fresh: Sequence[OpenListener]) -> None:
        """The world has changed, and these listeners are new in it."""
        if self.state == "ready":
            self._feed(fresh)
        elif self.state == "retiring":
            self._feed(())

    def share(self, sessions: Changes) -> None:
        """Others have told this of sessions."""
        if sessions and self.state in ("ready", "retiring"):
            self._send(Kind.SESSIONS, encode_changes(sessions))

    def tell_renewed(self, route: str) -> None:
        """Other credentials were asked for; those that were got it has been fed."""
        if self.state in ("ready", "retiring", "draining"):
            self._send(Kind.RENEWED, json.dumps({"route": route}).encode())

    def ask(self) -> asyncio.Future[None]:
        """Ask for its numbers; done when they are here, or it is gone."""
        asker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.state in ("starting", "stopped"):
            asker.set_result(None)
        else:
            self._askers.append(asker)
            self._send(Kind.STATS)
        return asker

    def retire(self, deadline_s: float | None) -> None:
        """Another one has taken over: accept nothing more, and let what is open end by itself, for
        as long as that takes or until the deadline. May be said again, with another deadline.
        """
        if self.state in ("ready", "retiring"):
            self._leave("retiring", Kind.RETIRE, deadline_s)
        elif self.state == "starting":
            self.kill()

    def drain(self, deadline_s: float) -> None:
        """Finish what is asked and end, within the deadline."""
        if self.state in ("ready", "retiring"):
            self._leave("draining", Kind.DRAIN, deadline_s)
        elif self.state == "starting":
            self.kill()

    def kill(self) -> None:
        """End it now."""
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def check(self, now: float) -> None:
        """See that it still answers."""
        if self._process is None or self.state == "starting":
            return
        if now - self._heard_at > SILENCE_S:
            _LOG.error("worker %d is hung: killed", self.pid)
            self._process.kill()
        else:
            self._send(Kind.STATS)

    def _leave(self, state: LifeState, kind: Kind, deadline_s: float | None) -> None:
        self._enter(state)
        self._send(kind, json.dumps({"deadline_s": deadline_s}).encode())

    def _feed(self, listeners: Sequence[OpenListener]) -> None:
        """Hand it its sockets, then the snapshot that names them."""
        for start in range(0, len(listeners), _DESCRIPTORS_A_FRAME):
            some = listeners[start : start + _DESCRIPTORS_A_FRAME]
            names = json.dumps([listener.id for listener in some]).encode()
            descriptors = [listener.sockets[self._index].fileno() for listener in some]
            self._send(Kind.LISTEN, names, descriptors)
        if self._world.snapshot is not None:
            self._send(Kind.SNAPSHOT, self._world.snapshot.to_json())

    def _send(self, kind: Kind, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.send(kind, payload, descriptors)
        except FrameError as error:
            _LOG.error("worker %d: %s", process.pid, error, extra={"event": "worker_hung"})
            process.kill()

    # -- what it says ----------------------------------------------------------------------------

    async def _converse(self, process: WorkerProcess) -> None:
        frames = process.frames()
        try:
            try:
                async with asyncio.timeout(READY_TIMEOUT_S):
                    kind, _ = await anext(frames)
            except StopAsyncIteration:
                return
            if kind is not Kind.READY:
                raise FrameError(f"said {kind.name} before READY")
            _LOG.info("worker %d is ready", process.pid, extra={"event": "worker_ready"})
            self._cut = None
            self._enter("ready")
            self.share(self._world.sessions.all(self._hooks.clock()))
            self._feed(self._world.listeners)
            async for kind, payload in frames:
                self._heard_at = self._hooks.clock()
                self._take(kind, payload)
        finally:
            await frames.aclose()

    def _take(self, kind: Kind, payload: bytes) -> None:
        match kind:
            case Kind.ACCESS:
                self._hooks.on_access(payload)
            case Kind.STATS:
                self.stats = WorkerStats.from_json(payload)
                self._wake_askers()
            case Kind.EVENT:
                self._hooks.on_event(decode_event(payload))
            case Kind.APPLIED:
                self.snapshot = as_integer(parse_object(payload).get("number"))
                self._hooks.on_change()
            case Kind.DRAINED:
                self._cut = as_integer(parse_object(payload).get("forced"))
            case _:
                raise FrameError(f"unexpected frame {kind.name}")

    def _wake_askers(self) -> None:
        for asker in self._askers:
            if not asker.done():
                asker.set_result(None)
        self._askers.clear()

    def _enter(self, state: LifeState) -> None:
        self.state = state
        self._hooks.on_change()
