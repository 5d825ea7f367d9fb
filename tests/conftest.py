"""What every test gets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def _no_blocking_in_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """In unit and contract tests our code must not wait for a file, lock or sleep in a loop.

    Only calls made by the three packages count: a test may read a file as it likes.
    """
    if not _is_watched(request):
        yield
        return
    with blockbuster_ctx(["gateway", "identity", "certs"]):
        yield


def _is_watched(request: pytest.FixtureRequest) -> bool:
    folder = request.path.relative_to(TESTS).parts[0]
    return (
        folder in {"unit", "contract"}
        and inspect.iscoroutinefunction(getattr(request, "function", None))
        and request.node.get_closest_marker("may_block") is None
    )
