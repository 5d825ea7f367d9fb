"""Snapshots on their way to those that go by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.control_plane.listeners import ListenerSet
from gateway.control_plane.parts import Parts
from gateway.control_plane.snapshots import World, build
from gateway.control_plane.span_destination import span_destination
from gateway.control_plane.worker_pool import WorkerPool
from gateway.ipc.snapshot import Snapshot


class Publisher:
    """Numbers the Snapshots, and gives each to the workers and to all that have to know it.

    Attributes:
        snapshot: the last one.
        rejected: why a worker couldn't take a route of it in, by the route's name.
    """

    def __init__(self, parts: Parts, pool: WorkerPool, listeners: ListenerSet) -> None:
        self.snapshot: Snapshot | None = None
        self.rejected: dict[str, str] = {}
        self._parts = parts
        self._pool = pool
        self._listeners = listeners

    def publish(self, world: World) -> None:
        """Build the Snapshot of a world; workers get it if it says anything new."""
        self._parts.exporter.configure(span_destination(world.config, world.attached))
        if self._parts.forwarders is not None:
            self._parts.forwarders.configure(world.config, world.attached)
        self._parts.redactor.know(_secrets(world))
        number = self.snapshot.number if self.snapshot else 0
        snapshot = build(number, world)
        if snapshot == self.snapshot:
            return
        self.snapshot = replace(snapshot, number=number + 1)
        self.rejected.clear()
        self._pool.publish(self.snapshot, self._listeners.all)


def _secrets(world: World) -> Iterator[str]:
    """What may stand in no log."""
    for attached in world.attached.values():
        yield from attached.redact
        yield from (value for _, value in attached.headers)
