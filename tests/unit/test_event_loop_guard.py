"""The guard in tests/conftest.py sees a blocking call of ours, and only of ours."""

from __future__ import annotations

import time

import pytest
from blockbuster import BlockingError

import gateway

OURS = compile("def nap():\n    time.sleep(0.001)\n", gateway.__file__, "exec")


def nap_of_ours() -> None:
    scope = {"time": time}
    exec(OURS, scope)  # noqa: S102  # a function that counts as one of the package's
    scope["nap"]()  # type: ignore[operator]


async def test_blocking_call_of_ours_is_an_error() -> None:
    with pytest.raises(BlockingError):
        nap_of_ours()


async def test_blocking_call_of_a_test_is_not() -> None:
    time.sleep(0.001)  # noqa: ASYNC251


@pytest.mark.may_block("shows that the marker works")
async def test_marked_test_may_block() -> None:
    nap_of_ours()


def test_no_event_loop_no_guard() -> None:
    nap_of_ours()
