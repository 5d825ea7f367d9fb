"""What every test gets."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.components import make_program
from tests.fakes.processes import kill_children

TESTS = Path(__file__).parent
#: How long after its time a test's programs live on.
_GRACE_S = 60.0
WAITS_ON_FILES = {"os.read", "os.write", "os.sendfile"}


def pytest_configure() -> None:
    """What started us (nohup, a shell's background job) may ignore signals, and whatever a test
    starts would inherit that.
    """
    for signo, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(signo) is signal.SIG_IGN:
            signal.signal(signo, usual)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that was stopped for its time may still wait for a program that it started: end all of
    them, or everything would wait for ever.
    """
    watch = threading.Timer(_allowed_s(item) + _GRACE_S, kill_children)
    watch.daemon = True
    watch.start()
    try:
        return (yield)
    finally:
        watch.cancel()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest, and make the programs that tests are marked to need: it takes longer
    than a test may.
    """
    _sort(items)
    if not config.option.collectonly:
        for name in sorted(
            {mark.args[0] for item in items for mark in item.iter_markers("program")}
        ):
            make_program(name)


def _sort(items: list[pytest.Item]) -> None:
    """First the files with a test that may take long, then those of real processes: what runs last
    is short, so that no process of ours is left alone with minutes of work.
    """
    allowed: dict[Path, float] = {}
    for item in items:
        allowed[item.path] = max(allowed.get(item.path, 0.0), _allowed_s(item))
    items.sort(key=lambda item: (-allowed[item.path], _folder(item) != "e2e"))


def _allowed_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker and marker.args else item.config.getini("timeout"))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


@pytest.fixture(autouse=True)
def _no_blocking_in_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """In unit and contract tests our code must not wait for a file, lock or sleep in a loop.

    Only calls made by the three packages count: a test may read a file as it likes.
    """
    if not _is_watched(request):
        yield
        return
    guard = _guard()
    guard.activate()
    yield
    guard.deactivate()


def _guard() -> BlockBuster:
    guard = BlockBuster(["gateway", "identity", "certs"])
    guard.functions = {
        name: function for name, function in guard.functions.items() if _may_take_long(name)
    }
    return guard


def _may_take_long(function: str) -> bool:
    # What only asks about or names a file (stat, mkdir, unlink) takes microseconds, and opening a
    # Unix socket needs it. Ending a thread that writes logs takes its lock, once.
    if function.startswith("os."):
        return function in WAITS_ON_FILES
    return not function.startswith("threading.")


def _is_watched(request: pytest.FixtureRequest) -> bool:
    folder = request.path.relative_to(TESTS).parts[0]
    return (
        folder in {"unit", "contract"}
        and inspect.iscoroutinefunction(getattr(request, "function", None))
        and request.node.get_closest_marker("may_block") is None
    )
