"""`gateway.audit.group_commit`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.audit.group_commit import GroupCommit


def test_all_who_wait_share_a_flush() -> None:
    commit = GroupCommit()
    entered, go_on = threading.Event(), threading.Event()
    flushes = []

    def flush() -> None:
        flushes.append(1)
        entered.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(commit.wait, commit.ticket(), flush)
        assert entered.wait(20)
        others = [pool.submit(commit.wait, commit.ticket(), flush) for _ in range(8)]
        go_on.set()
        for waiting in (first, *others):
            waiting.result(20)
    assert len(flushes) <= 3


def test_a_flush_that_began_before_is_not_enough() -> None:
    commit = GroupCommit()
    begun: list[int] = []
    early = commit.ticket()

    def flush() -> None:
        begun.append(commit.ticket())

    commit.wait(early, flush)
    assert len(begun) == 1
    commit.wait(begun[0], flush)
    assert len(begun) == 2


def test_a_failed_flush_is_everybodys_own_failure() -> None:
    commit = GroupCommit()

    def fail() -> None:
        raise OSError("no space")

    ticket = commit.ticket()
    for _ in range(2):
        with pytest.raises(OSError, match="no space"):
            commit.wait(ticket, fail)
    commit.wait(ticket, lambda: None)
