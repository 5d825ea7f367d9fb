from __future__ import annotations

from math import inf

from gateway.data_plane.downstream import Downstream
from gateway.data_plane.failure import Failure
from gateway.data_plane.waiting_line import WaitingLine
from gateway.ipc.snapshot import LimitsSpec
from tests.compiled import sources_only

pytestmark = sources_only

LIMITS = LimitsSpec(max_waiting_requests=2, connect_timeout_s=10.0)


class Waiting(Downstream):
    """A client that only waits."""

    busy = True
    buffered = 0

    def __init__(self) -> None:
        self.deadline = inf
        self.failures: list[Failure] = []

    def fail(self, failure: Failure) -> None:
        self.failures.append(failure)

    def connected(self, dial: object) -> None: ...
    def retire(self, *, force: bool) -> None: ...
    def expire(self) -> None: ...
    def cut(self, reason: str) -> None: ...
    def on_readable(self) -> None: ...
    def on_blocked(self) -> None: ...
    def on_drained(self) -> None: ...
    def on_progress(self) -> None: ...
    def on_lost(self, lost: object) -> None: ...
    def on_deadline(self) -> None: ...


def test_first_come_first_served_and_the_deadline_goes_with_the_place() -> None:
    line, first, second = WaitingLine(), Waiting(), Waiting()
    line.join(first, LIMITS, 100.0)
    line.join(second, LIMITS, 101.0)
    assert (first.deadline, second.deadline) == (110.0, 111.0)
    assert [line.next(), line.next()] == [first, second]
    assert line.next() is None
    assert (first.deadline, second.deadline, len(line)) == (inf, inf, 0)


def test_who_can_not_go_yet_keeps_the_place() -> None:
    line, first, second = WaitingLine(), Waiting(), Waiting()
    line.join(first, LIMITS, 0.0)
    line.join(second, LIMITS, 0.0)
    assert line.next(lambda client: client is second) is second
    assert line.next(lambda _: False) is None
    assert (line.next(), first.deadline) == (first, inf)


def test_a_full_line_refuses_with_a_time_to_come_back() -> None:
    line = WaitingLine()
    for _ in range(2):
        line.join(Waiting(), LIMITS, 0.0)
    late = Waiting()
    line.join(late, LIMITS, 0.0)
    assert [(why.reason, why.retry_after_s > 0) for why in late.failures] == [("overloaded", True)]
    assert (late.deadline, len(line)) == (inf, 2)


def test_only_who_waits_can_have_waited_too_long() -> None:
    line, client, other = WaitingLine(), Waiting(), Waiting()
    line.join(client, LIMITS, 0.0)
    line.waited_too_long(other)
    line.waited_too_long(client)
    line.waited_too_long(client)
    assert (len(client.failures), other.failures, len(line)) == (1, [], 0)


def test_leaving_tells_whether_it_was_there() -> None:
    line, client = WaitingLine(), Waiting()
    line.join(client, LIMITS, 0.0)
    assert line.leave(client)
    assert not line.leave(client)
