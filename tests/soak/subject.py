"""What is put under load: a worker whose certificate is renewed all the time."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Self

from gateway.ipc.snapshot import RouteSpec
from gateway.ipc.stats import RouteStats
from tests.fakes.authority import Authority
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.worker_rig import SPIFFE_ID, WorkerRig
from tests.soak.plan import Plan
from tests.soak.result import Result
from tests.soak.watch import Sample, sample

#: A connection's end is looked for once a second; the rest is for a machine that is busy.
_TICK_S = 1.0
_SLACK_S = 2.0


class Subject:
    """A worker with two routes to one upstream, HTTP and raw; a context manager.

    Attributes:
        http, raw: the ports of the routes' listeners.
        renewals: since the load began.
        overdue: generations of which a connection was seen after its certificate's end.
    """

    def __init__(self, authority: Authority, upstream_port: int, *, life_s: float) -> None:
        self._authority = authority
        self._life = timedelta(seconds=life_s)
        self._ends: dict[int, float] = {}
        self.renewals = 0
        self.overdue: set[int] = set()
        self._rig = WorkerRig(authority, [upstream_port], peers=("dns:localhost",), identity=False)
        listener = self._rig.add_listener()
        self.http, self.raw = self._rig.ports
        plain = self._rig.route
        raw = replace(
            plain,
            name="raw",
            kind="tcp",
            listeners=(listener,),
            headers=(),
            redact=(),
            tls=replace(plain.tls, alpn=()),
        )
        self._routes: tuple[RouteSpec, ...] = (plain, raw)
        self.renew()
        self._first_request()
        self.renewals = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rig.stop()

    def _first_request(self) -> None:
        """What is opened once, for the first caller, is not to be taken for a leak."""
        with self._rig.connect() as client:
            assert client.post(b"x", "/echo").status == 200
        self.settle()

    def renew(self) -> None:
        """A new generation for both routes; waits until it is in use."""
        self.renewals += 1
        generation = len(self._ends) + 1
        leaf = self._authority.issue(SPIFFE_ID, ends=self._life)
        self._ends[generation] = leaf.not_after
        self._rig.identity = self._rig.new_identity(generation, leaf=leaf)
        self._rig.apply(self._routes)

    def revoke(self, *serials: int) -> None:
        """Take the upstream's certificates back."""
        crl = self._authority.crl(*serials)
        self._routes = tuple(
            replace(route, tls=replace(route.tls, crl_pem=crl)) for route in self._routes
        )
        self._rig.apply(self._routes)

    def stats(self) -> dict[str, RouteStats]:
        """Each route's numbers."""
        return self._rig.worker_stats().routes

    def failures(self) -> dict[str, int]:
        """Why requests failed, over all routes."""
        total: dict[str, int] = {}
        for stats in self.stats().values():
            for reason, count in stats.failures.items():
                total[reason] = total.get(reason, 0) + count
        return total

    def look(self) -> Sample:
        """The worker now; connections that ought to be gone are noted."""
        asked = time.time()
        for stats in self.stats().values():
            for generation in map(int, stats.connections):
                if self._ends[generation] + _TICK_S + _SLACK_S < asked:
                    self.overdue.add(generation)
        return self.sample()

    def work(self, result: Result, plan: Plan) -> None:
        """Renew and look for as long as the plan says. Blocks."""
        begun = renewed = looked = time.monotonic()
        while (now := time.monotonic()) < begun + plan.seconds:
            if now >= renewed + plan.every_s:
                renewed += plan.every_s
                self.renew()
            if now >= looked + plan.look_s:
                looked = now
                result.samples.append(self.look())
                plan.tell(result, now - begun)
            time.sleep(0.05)
        result.seconds = time.monotonic() - begun
        result.renewals = self.renewals

    def sample(self) -> Sample:
        """The worker's process."""
        return sample(self._rig.pid)

    def settle(self) -> None:
        """Wait until nothing is open any more but what the pool keeps, and let go of that."""
        self.renew()
        wait_until(lambda: not any(item.connections for item in self.stats().values()), 30)
        wait_until(
            lambda: not any(item.downstream_connections for item in self.stats().values()), 30
        )
