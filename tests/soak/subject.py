"""What is put under load: a worker, or two back to back, whose certificates are renewed all the
time.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from gateway.ipc.snapshot import LimitsSpec, RouteSpec, TlsSpec
from gateway.ipc.stats import RouteStats
from tests.fakes.authority import Authority
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.worker_rig import SPIFFE_ID, WorkerRig
from tests.soak.plan import Plan
from tests.soak.result import Result
from tests.soak.watch import Sample, sample

#: A connection's end is looked for once a second; the rest is for a machine that is busy.
_TICK_S = 1.0
_SLACK_S = 2.0
#: How long a pool keeps what nobody uses.
_POOLED_S = 1.0


class Worker:
    """One worker with two routes, HTTP and raw.

    Attributes:
        http, raw: the ports of the routes' listeners.
        overdue: generations of which a connection was seen after its certificate's end.
    """

    def __init__(
        self, authority: Authority, http_to: int, raw_to: int, *, life: timedelta, **route: Any
    ) -> None:
        """`route` are changes of both routes, as for `WorkerRig.change`."""
        self._authority = authority
        self._life = life
        self._ends: dict[int, float] = {}
        self.overdue: set[int] = set()
        self.rig = WorkerRig(
            authority,
            [http_to],
            limits=LimitsSpec(upstream_idle_timeout_s=_POOLED_S),
            peers=("dns:localhost",),
            identity=False,
            headers=(),
            route=route,
        )
        listener = self.rig.add_listener()
        self.http, self.raw = self.rig.ports
        http = self.rig.route
        raw = replace(
            http,
            name="raw",
            kind="tcp",
            listeners=(listener,),
            upstream=replace(http.upstream, addresses=(("127.0.0.1", raw_to),)),
            tls=replace(http.tls, alpn=()),
        )
        self._routes: tuple[RouteSpec, ...] = (http, raw)
        self.renew()

    def renew(self) -> None:
        """A new generation for both routes; waits until it is in use."""
        generation = len(self._ends) + 1
        leaf = self._authority.issue(SPIFFE_ID, "localhost", ends=self._life)
        self._ends[generation] = leaf.not_after
        self.rig.identity = self.rig.new_identity(generation, leaf=leaf)
        self.rig.apply(self._routes)

    def revoke(self, *serials: int) -> None:
        """Take certificates of the other side back."""
        crl = self._authority.crl(*serials)

        def strict(tls: TlsSpec) -> TlsSpec:
            return replace(tls, crl_pem=crl)

        self._routes = tuple(replace(route, tls=strict(route.tls)) for route in self._routes)
        self.rig.apply(self._routes)

    def stats(self) -> dict[str, RouteStats]:
        """Each route's numbers."""
        return self.rig.worker_stats().routes

    def look(self) -> Sample:
        """The process now; connections that ought to be gone are noted."""
        asked = time.time()
        for stats in self.stats().values():
            for generation in map(int, stats.connections):
                # Generation 0 is plaintext, behind an ingress.
                if self._ends.get(generation, asked) + _TICK_S + _SLACK_S < asked:
                    self.overdue.add(generation)
        return sample(self.rig.pid)

    def is_quiet(self) -> bool:
        """Whether nothing is open."""
        return not any(
            item.connections or item.downstream_connections for item in self.stats().values()
        )


class Subject:
    """A worker in front of an upstream; or a `pair`, of which the second is an ingress in front of
    a plaintext agent. A context manager.

    Attributes:
        http, raw: the ports of the first one's listeners.
        renewals: since the load began.
    """

    def __init__(
        self, authority: Authority, upstream: int, *, life_s: float, pair: bool = False
    ) -> None:
        life = timedelta(seconds=life_s)
        self._workers: list[Worker] = []
        http = raw = upstream
        if pair:
            inward: dict[str, Any] = {"ingress": True, "tls": {"peers": (SPIFFE_ID,)}}
            far = Worker(authority, upstream, upstream, life=life, **inward)
            self._workers.append(far)
            http, raw = far.http, far.raw
        self._near = Worker(authority, http, raw, life=life)
        self._workers.append(self._near)
        self.http, self.raw = self._near.http, self._near.raw
        # What is opened once, for the first caller, is not to be taken for a leak.
        with self._near.rig.connect() as client:
            _greet(client)
        self.settle()
        self.renewals = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in reversed(self._workers):
            worker.rig.stop()

    def revoke(self, *serials: int) -> None:
        """Take the upstream's certificates back."""
        self._near.revoke(*serials)

    @property
    def streams(self) -> int:
        """Event streams and tunnels open now."""
        return sum(stats.streams for stats in self._near.stats().values())

    @property
    def overdue(self) -> set[int]:
        """Generations of which a connection was seen after its certificate's end."""
        return {generation for worker in self._workers for generation in worker.overdue}

    def failures(self) -> dict[str, int]:
        """Why requests failed, over all routes."""
        total: dict[str, int] = {}
        for worker in self._workers:
            for stats in worker.stats().values():
                for reason, count in stats.failures.items():
                    total[reason] = total.get(reason, 0) + count
        return total

    def work(self, result: Result, plan: Plan) -> None:
        """Renew, in turn if there are two, and look for as long as the plan says. Blocks."""
        begun = renewed = looked = time.monotonic()
        while (now := time.monotonic()) < begun + plan.seconds:
            if now >= renewed + plan.every_s / len(self._workers):
                renewed += plan.every_s / len(self._workers)
                self._workers[self.renewals % len(self._workers)].renew()
                self.renewals += 1
            if now >= looked + plan.look_s:
                looked = now
                result.samples.append(_sum([worker.look() for worker in self._workers]))
                plan.tell(result, now - begun)
            time.sleep(0.05)
        result.seconds = time.monotonic() - begun
        result.renewals = self.renewals

    def descriptors(self) -> int:
        """Open ones of all workers."""
        return sum(sample(worker.rig.pid).descriptors for worker in self._workers)

    def settle(self, descriptors: int = sys.maxsize) -> int:
        """Wait until nothing is open any more, and for a while until there are no more descriptors
        than that; how many there are.
        """
        for worker in reversed(self._workers):
            worker.renew()  # which ends what is idle
        for worker in reversed(self._workers):
            wait_until(worker.is_quiet, 30)
        with suppress(AssertionError):
            wait_until(lambda: self.descriptors() <= descriptors, 30)
        return self.descriptors()


def _greet(client: RawClient) -> None:
    assert client.post(b"x", "/echo").status == 200


def _sum(samples: list[Sample]) -> Sample:
    return Sample(
        resident=sum(item.resident for item in samples),
        descriptors=sum(item.descriptors for item in samples),
        threads=sum(item.threads for item in samples),
    )
