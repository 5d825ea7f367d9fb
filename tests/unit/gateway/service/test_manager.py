from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.service.manager import ServiceManager
from tests.fakes.service_manager import FakeServiceManager


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[FakeServiceManager]:
    with FakeServiceManager(str(tmp_path / "notify")) as made:
        yield made


def test_the_protocol_of_a_life(heard: FakeServiceManager) -> None:
    told = ServiceManager(heard.name, watchdog_s=4.0, clock=lambda: 12.5)
    told.patience(60.0)
    told.status("starting")
    told.ready()
    told.reloading()
    told.ready()
    told.alive()
    told.stopping(52.0)
    assert [heard.hear() for _ in range(7)] == [
        "EXTEND_TIMEOUT_USEC=60000000",
        "STATUS=starting",
        "READY=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "READY=1",
        "WATCHDOG=1",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=52000000",
    ]


def test_a_status_is_one_line_and_said_once(heard: FakeServiceManager) -> None:
    told = ServiceManager(heard.name)
    told.status("two\nREADY=1\tlines")
    told.status("two READY=1 lines")
    told.status("x" * 1000)
    assert heard.hear() == "STATUS=two READY=1 lines"
    assert heard.hear() == "STATUS=" + "x" * 300


def test_an_abstract_name() -> None:
    name = "@devwiz-gw-test-notify"
    with FakeServiceManager(name) as heard:
        ServiceManager(name).ready()
        assert heard.hear() == "READY=1"


def test_the_environment_is_taken_and_gone(heard: FakeServiceManager) -> None:
    env = {"NOTIFY_SOCKET": heard.name, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7", "A": "b"}
    told = ServiceManager.taken_from(env, pid=7)
    assert told.is_there
    assert told.watchdog_s == 3.0
    assert env == {"A": "b"}


@pytest.mark.parametrize(
    "watchdog",
    [
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "²"},
        {"WATCHDOG_USEC": ""},
        {},
    ],
)
def test_a_watchdog_that_is_not_for_this_process(
    heard: FakeServiceManager, watchdog: dict[str, str]
) -> None:
    env = {"NOTIFY_SOCKET": heard.name, **watchdog}
    told = ServiceManager.taken_from(env, pid=7)
    assert told.watchdog_s == 0
    assert not {"WATCHDOG_USEC", "WATCHDOG_PID"} & set(env)
    told.alive()
    told.ready()
    assert heard.hear() == "READY=1"


def test_a_watchdog_without_a_pid_is_ours(heard: FakeServiceManager) -> None:
    env = {"NOTIFY_SOCKET": heard.name, "WATCHDOG_USEC": "500000"}
    assert ServiceManager.taken_from(env, pid=7).watchdog_s == 0.5


@pytest.mark.parametrize("address", ["", "/", "@", "vsock:2:1234", "relative/notify"])
def test_nobody_is_told_where_no_socket_is_named(address: str) -> None:
    told = ServiceManager.taken_from({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}, pid=7)
    assert not told.is_there
    assert told.watchdog_s == 0
    told.ready()


def test_a_manager_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    told = ServiceManager(str(tmp_path / "gone"))
    told.ready()
    with FakeServiceManager(str(tmp_path / "gone")) as heard:
        told.status("back")
        # What was said while it was away is said now.
        assert heard.hear() == "READY=1\nSTATUS=back"


def test_what_there_is_no_room_for_is_said_later(heard: FakeServiceManager) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        fillers = 0
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"filler", heard.name)
                fillers += 1
    told = ServiceManager(heard.name)
    told.ready()
    for _ in range(fillers):
        assert heard.hear() == "filler"
    told.alive()
    assert heard.hear() == "READY=1"
