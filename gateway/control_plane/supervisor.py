"""The one process that owns all state: it feeds the workers and answers the admin API."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from certs.clock import SystemClock
from certs.generation import Generation
from gateway.config.model import DEFAULT_IDENTITY, Config
from gateway.control_plane.admin_api import AdminApi
from gateway.control_plane.attendance import Attendance, Condition
from gateway.control_plane.audit_queue import AuditQueue
from gateway.control_plane.changes import Changes
from gateway.control_plane.credential_renewals import CredentialRenewals
from gateway.control_plane.identities import Identities
from gateway.control_plane.linger import Calls, Linger
from gateway.control_plane.listeners import ListenerChange, ListenerSet
from gateway.control_plane.metrics_server import MetricsServer
from gateway.control_plane.outlets import Outlets
from gateway.control_plane.parts import Parts
from gateway.control_plane.publisher import Publisher
from gateway.control_plane.reload import advice, refuse_unchangeable, summary
from gateway.control_plane.request_history import RequestHistory
from gateway.control_plane.resolver import Resolver
from gateway.control_plane.rotations import RotationKeeper
from gateway.control_plane.snapshots import BoundListener, World
from gateway.control_plane.status import GatewayState, Phase
from gateway.control_plane.trust_feed import TrustFeed
from gateway.control_plane.views import IdentityView
from gateway.control_plane.worker_events import WorkerEvents
from gateway.control_plane.worker_grants import worker_grants
from gateway.control_plane.worker_pool import WorkerPool
from gateway.ipc.events import Event
from gateway.telemetry.logs import set_level
from identity.fault import Fault

_LOG: Final = logging.getLogger(__name__)

#: How long the start may take before what is missing is called degraded.
START_TIMEOUT_S: Final = 20.0
#: How long a reload waits for addresses of new upstreams, and for workers to follow.
RELOAD_TIMEOUT_S: Final = 5.0
#: How long the end waits for the last spans to be sent, and for the last lines of the journal.
EXPORT_S: Final = 2.0


class Supervisor:
    """Runs the gateway from start to drained. Use once."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config = config
        self._parts = parts
        self._attendance = Attendance(parts.manager, self._condition)
        self._started_at = datetime.now(UTC)
        self._phase: Phase = "starting"
        self._config_error = ""
        self._reloads = {"ok": 0, "refused": 0}
        self._history = RequestHistory(parts.meaning)
        self._listeners = ListenerSet(workers=config.limits.workers, passed=parts.passed)
        self._pool = WorkerPool(
            config.limits.workers,
            on_access=self._on_access,
            on_event=self._on_event,
            command=(*parts.worker_command, *worker_grants(config.routes)),
        )
        self._publisher = Publisher(parts, self._pool, self._listeners)
        self._resolver = Resolver(self._publish, lookup=parts.lookup)
        self._identities = Identities(
            config, parts.feeds.identity, self._on_generation, self._publish
        )
        self._headers = parts.feeds.headers(config, self._publish)
        self._configu = parts.feeds.configu
        self._configu.use(config)
        self._trust = TrustFeed(self._publish, self._on_trust, clock=SystemClock())
        self._audit = AuditQueue(parts.journal)
        self._renewals = CredentialRenewals(
            self._headers.renew, self._pool.tell_renewed, self._audit.put
        )
        self._events = WorkerEvents(
            history=self._history,
            identities=self._identities,
            renewals=self._renewals,
            publisher=self._publisher,
            pool=self._pool,
            audit=self._audit,
            publish=self._publish,
        )
        self._outlets = Outlets(
            config,
            partial(parts.journal.record, outcome="ok"),
            self._audit.put,
            clock=SystemClock(),
        )
        self._rotations = RotationKeeper(
            config,
            lambda used: parts.open_desk(used, self._headers.refresh),
            parts.journal,
            self._headers.refresh,
        )
        self._admin = AdminApi(config.admin.socket, self, self._history, self._rotations)
        self._metrics = MetricsServer(config.telemetry.metrics_listen, self.state)
        self._stop = asyncio.Event()
        self._linger = Linger()
        self._changes = Changes(self._stop)

    async def run(self) -> int:
        """Serve until told to stop; 0 when everything was drained, 1 when something was cut.

        Raises:
            Fault: the start failed; nothing is left behind.
        """
        async with self._attendance.kept():
            return await self._run()

    async def _run(self) -> int:
        try:
            await self._open()
            forced = await self._serve()
        finally:
            await asyncio.to_thread(self._listeners.close)
            await self._metrics.close()
            await self._outlets.close()
            await self._admin.close()
            await self._identities.close()
        await self._parts.exporter.finish(EXPORT_S)
        outcome = "forced" if forced else "ok"
        await self._audit.flush()
        self._audit.put("gateway.stop", outcome=outcome)
        await self._audit.flush()
        if self._parts.signer is not None:
            await self._parts.signer.finish()
        if self._parts.forwarders is not None:
            await self._parts.forwarders.finish(EXPORT_S)
        _LOG.info("stopped", extra={"event": "stopped", "connections_cut": forced})
        return 1 if forced else 0

    # What the admin API calls

    async def state(self) -> GatewayState:
        """The gateway at this moment, workers asked."""
        await self._pool.refresh_stats()
        now = datetime.now(UTC)
        return GatewayState(
            version=self._parts.version,
            pid=os.getpid(),
            now=now,
            started_at=self._started_at,
            phase=self._phase,
            config=self._config,
            identities=self._identities.views(),
            workers=self._pool.views,
            snapshot=self._publisher.snapshot,
            listening={
                name: tuple(item.address for item in listeners)
                for name, listeners in self._listeners.by_route.items()
            },
            stats=self._pool.stats,
            rejected=dict(self._publisher.rejected),
            secrets=self._headers.secrets,
            configu=self._configu.view(),
            trust={**self._identities.trust_views(self._config), **self._trust.views(now)},
            exports=self._outlets.exports,
            rotations=await asyncio.to_thread(self._rotations.views),
            access_lines_dropped=self._pool.access_lines_dropped + self._parts.sink.lines_dropped,
            config_error=self._config_error,
            reloads=dict(self._reloads),
            spans=dict(self._parts.exporter.counts),
            forwards=self._parts.forwarders.views() if self._parts.forwarders else (),
        )

    async def reload(self) -> None:
        """Take the configuration file in again; a bad one changes nothing.

        Raises:
            Fault: why it was refused.
        """
        async with self._changes.turn, self._attendance.reload():
            try:
                await self._changes.make(self._reload)
            except Fault as fault:
                self._reloads["refused"] += 1
                self._config_error = summary(fault)
                self._audit.put("config.reload", outcome="refused", reason=self._config_error)
                _LOG.error(
                    "reload refused, the old configuration stays: %s",
                    self._config_error,
                    extra={"event": "reload_refused", "hint": advice(fault)},
                )
                raise
            self._reloads["ok"] += 1
            self._config_error = ""
            self._audit.put("config.reload")
            _LOG.info("reloaded", extra={"event": "reloaded"})

    async def replace_workers(self, deadline_s: float | None) -> None:
        """Let fresh workers take over from those that there are; see `WorkerPool.replace`.

        Raises:
            Fault: the old ones go on.
        """
        async with self._changes.turn:
            try:
                await self._changes.make(lambda: self._pool.replace(deadline_s))
            except Fault as fault:
                self._audit.put("workers.replace", outcome="refused", reason=str(fault))
                _LOG.error("the workers stay: %s", fault, extra={"hint": fault.hint})
                raise
            self._audit.put("workers.replace")
            _LOG.info("fresh workers have taken over", extra={"event": "workers_replaced"})

    async def renew(self, name: str) -> IdentityView | None:
        """Ask for a new certificate of an identity now; how it stands, with when that is possible;
        None for a name that none has.
        """
        view = self._identities.views().get(name)
        if view is not None:
            self._audit.put("identity.renew_asked", name=name)
            self._identities.refresh(name, "asked for by the operator")
        return view

    async def material(self, name: str, who: str, *, but: str, wait_s: float) -> dict[str, Any]:
        """See `Outlets.material`."""
        return await self._outlets.material(name, who, but=but, wait_s=wait_s)

    def certificates(self, name: str) -> dict[str, Any]:
        """See `Outlets.certificates`."""
        held = self._identities.held().get(name)
        return self._outlets.certificates(name, held.crl if held is not None else "")

    def denied(self, uid: int, what: str, *, agent: str = "") -> None:
        """Somebody else's user, or a coding agent, knocked at the admin socket."""
        why = f"uid {uid}, {agent}" if agent else f"uid {uid}"
        self._audit.put("admin.access", outcome="denied", name=what, reason=why)

    def drain(self) -> None:
        """Begin to stop; asked a second time, stop at once. It ends a `leave`, too."""
        if self._linger.goes_on:
            self._linger.end()
        elif self._stop.is_set():
            _LOG.warning("asked to stop again: cutting what is left", extra={"event": "forced"})
            self._pool.kill()
        self._stop.set()

    def leave(self) -> None:
        """Begin to stop when the callers are gone, see `[limits] linger_timeout_s`; asked a second
        time as `drain`.
        """
        if not self._stop.is_set() and self._config.limits.linger_timeout_s:
            self._linger.begin()
            self._stop.set()
        else:
            self.drain()

    # The start, the life and the end

    async def _open(self) -> None:
        config = self._config
        self._parts.passed.check(config.routes)
        self._trust.use(await self._trust.prepare(config))
        await asyncio.to_thread(self._parts.journal.record, "gateway.start", outcome="ok")
        self._resolver.watch(_targets(config))
        self._listeners.commit(await asyncio.to_thread(self._listeners.prepare, config.routes))
        await self._outlets.start()
        await self._admin.start()
        await self._metrics.start()
        self._announce()

    def _announce(self) -> None:
        for route in self._config.routes:
            listeners = self._listeners.by_route[route.name]
            places = ", ".join(route.listen_url(item.address) for item in listeners)
            self._parts.announce(f"{route.name}: {places} → {route.upstream_url}")

    async def _serve(self) -> int:
        self._publish()
        async with asyncio.TaskGroup() as tasks:
            pool = tasks.create_task(self._pool.run())
            others = [
                tasks.create_task(self._identities.run()),
                tasks.create_task(self._audit.run()),
                tasks.create_task(self._resolver.run()),
                tasks.create_task(self._trust.run()),
                tasks.create_task(self._outlets.run()),
                tasks.create_task(self._start_headers()),
                tasks.create_task(self._renewals.run()),
                tasks.create_task(self._configu.run(self._headers.read_again)),
                tasks.create_task(self._rotations.run()),
                tasks.create_task(self._settle()),
                tasks.create_task(self._parts.exporter.run()),
            ]
            if self._parts.signer is not None:
                others.append(tasks.create_task(self._parts.signer.run()))
            if self._parts.forwarders is not None:
                others.append(tasks.create_task(self._parts.forwarders.run()))
            await self._stop.wait()
            self._phase = "draining"
            self._attendance.ending(self._config.limits, lingers=self._linger.goes_on)
            if self._linger.goes_on:
                await self._serve_until_left()
            forced = await self._drain()
            for task in others:
                task.cancel()
            await asyncio.wait([pool], timeout=5.0)
            pool.cancel()
        return forced

    async def _serve_until_left(self) -> None:
        limit = self._config.limits.linger_timeout_s
        _LOG.info("lingering", extra={"event": "lingering", "deadline_s": limit})
        self._parts.announce(f"serving on for at most {limit:g} s, until nobody calls any more")
        await self._linger.wait(limit, self._calls)

    async def _calls(self) -> Calls:
        await self._pool.refresh_stats()
        made = (sum(route.requests.values()) for route in self._pool.stats.values())
        return Calls(sum(view.connections for view in self._pool.views), sum(made))

    async def _drain(self) -> int:
        await self._changes.end(RELOAD_TIMEOUT_S)
        limit = self._config.limits.drain_timeout_s
        _LOG.info("draining", extra={"event": "draining", "deadline_s": limit})
        self._parts.announce(
            f"draining: what is open has {limit:g} s to finish; a second Ctrl-C or SIGTERM cuts it"
        )
        await asyncio.to_thread(self._listeners.close)
        return await self._pool.drain(limit)

    async def _start_headers(self) -> None:
        await self._headers.prepare(self._config)
        self._publish()
        await self._headers.run()

    async def _settle(self) -> None:
        self._attendance.settling(2 * START_TIMEOUT_S)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._identities.wait_complete()
                await self._pool.wait_applied(1, START_TIMEOUT_S)
        except TimeoutError:
            self._tell_missing()
        if self._phase == "starting":
            self._phase = "running"
            self._attendance.settled()

    def _tell_missing(self) -> None:
        for name, view in self._identities.views().items():
            if view.generation is None:
                _LOG.warning(
                    "no certificate yet%s: requests get 503 until there is one: %s",
                    _named(name),
                    view.reason,
                    extra={"event": "start_degraded", "hint": view.last_error_hint},
                )

    def _condition(self) -> Condition:
        return Condition(
            phase=self._phase,
            lingers=self._linger.goes_on,
            routes=len(self._config.routes),
            lacking=[name for name, held in self._identities.held().items() if held.reason],
            config_error=self._config_error,
        )

    # What changes the world

    def _publish(self) -> None:
        """Build the Snapshot of now; workers get it if it says anything new."""
        self._publisher.publish(self._world())

    def _world(self) -> World:
        return World(
            config=self._config,
            identities=self._identities.held(),
            listeners={
                name: tuple(BoundListener(id=item.id, bound=item.bound) for item in listeners)
                for name, listeners in self._listeners.by_route.items()
            },
            addresses=self._resolver.resolved,
            attached=self._headers.attached,
            bundles=self._trust.bundles,
            crls=self._trust.crls,
        )

    def _on_generation(self, name: str, generation: Generation) -> None:
        self._history.note_generation(name, generation)
        self._outlets.put(name, generation)
        self._publish()
        shown = generation.spiffe_id or generation.serial
        reason = f"generation {generation.number}{_named(name)}"
        # One that was withdrawn or revoked is published once more, with its end.
        is_over = generation.not_after <= datetime.now(UTC)
        action = "identity.ended" if is_over else "identity.renewed"
        self._audit.put(action, name=shown, reason=reason)

    def _on_trust(self, path: Path) -> None:
        _LOG.info("%s has changed and is taken in", path, extra={"event": "trust_changed"})
        self._audit.put("trust.changed", name=str(path))

    def _on_access(self, lines: bytes) -> None:
        # Workers tell of failures even where the access log is off.
        if self._config.log.access:
            self._parts.sink.write(lines)
        self._history.take(lines)
        self._parts.exporter.offer(lines)

    def _on_event(self, event: Event) -> None:
        self._events.take(event)

    async def _reload(self) -> None:
        config = await asyncio.to_thread(self._parts.load)
        refuse_unchangeable(self._config, config)
        trust = await self._trust.prepare(config)
        change = await self._prepare_listeners(config)
        identities = None
        try:
            identities = self._identities.prepare(config)
            await self._look_ahead(config)
            self._changes.refuse_when_stopping()
            await self._grant(config)
        except BaseException:
            await asyncio.to_thread(change.undo)
            if identities is not None:
                await identities.undo()
            raise
        # Nothing is waited for until all is in place: a drain finds the old world or the new one.
        self._identities.commit(identities)
        self._config = config
        self._configu.use(config)
        self._trust.use(trust)
        self._resolver.watch(_targets(config))
        self._listeners.commit(change)
        self._publish()
        self._rotations.use(config)
        await self._outlets.use(config)
        await asyncio.to_thread(change.finish)
        for problem in self._parts.passed.unclaimed(config.routes):
            _LOG.warning("the service manager listens on for nobody: it passed %s", problem)
        set_level(config.log.level)
        kept = config.audit
        self._parts.journal.keep(file_bytes=kept.file_bytes, files=kept.keep_files)
        snapshot = self._publisher.snapshot
        if snapshot is not None:
            await self._pool.wait_applied(snapshot.number, RELOAD_TIMEOUT_S)

    async def _grant(self, config: Config) -> None:
        """Workers give rights up for good when they start: for others there are fresh ones."""
        grants = worker_grants(config.routes)
        if grants != worker_grants(self._config.routes):
            await self._pool.replace(None, command=(*self._parts.worker_command, *grants))

    async def _prepare_listeners(self, config: Config) -> ListenerChange:
        opening = asyncio.ensure_future(asyncio.to_thread(self._listeners.prepare, config.routes))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on, and what it opens must not stay.
            await asyncio.to_thread((await opening).undo)
            raise

    async def _look_ahead(self, config: Config) -> None:
        """Find addresses and header values first: a route that works must not stop meanwhile."""
        self._resolver.watch((*_targets(self._config), *_targets(config)))
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT_S):
                await self._resolver.refresh()
        except TimeoutError:
            _LOG.warning("the reload goes on without the addresses of some upstreams")
        await self._headers.prepare(config)


def _named(identity: str) -> str:
    """A remark on which identity is meant, where there may be several."""
    return "" if identity == DEFAULT_IDENTITY else f" of the identity {identity}"


def _targets(config: Config) -> list[tuple[str, int]]:
    return [target for route in config.routes for target in route.targets]
