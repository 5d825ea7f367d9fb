from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.config.model import TcpAddress, UnixAddress
from gateway.errors import StartFailed
from gateway.service.passed import PassedSocket, PassedSockets
from tests.fakes import configs

Make = Callable[..., PassedSocket]


@pytest.fixture
def passed() -> Iterator[Make]:
    with ExitStack() as stack:

        def make(name: str = "", port: int = 0, host: str = "127.0.0.1") -> PassedSocket:
            item = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            bound = TcpAddress(host, port or item.getsockname()[1])
            return PassedSocket(name=name, socket=item, bound=bound)

        yield make


def listening(*ports: int) -> tuple[TcpAddress, ...]:
    return tuple(TcpAddress("127.0.0.1", port) for port in ports)


def test_a_socket_is_found_by_its_address(passed: Make) -> None:
    item = passed("unknown", 8080)
    sockets = PassedSockets([item])
    route = configs.route(listen=listening(8080))
    assert sockets.claim(route, route.listen[0]) is item
    assert sockets.claim(route, TcpAddress("127.0.0.1", 8081)) is None
    assert sockets.claim(route, TcpAddress("::1", 8080)) is None
    assert sockets.claim(route, UnixAddress(Path("/run/a.sock"))) is None
    sockets.check([route])


def test_a_name_is_needed_where_the_port_may_be_any(passed: Make) -> None:
    named, other = passed("planner", 41_000), passed("other", 41_001)
    route = configs.route("planner", listen=listening(0))
    assert PassedSockets([other, named]).claim(route, route.listen[0]) is named
    assert PassedSockets([other]).claim(route, route.listen[0]) is None
    PassedSockets([named]).check([route])


def test_a_unix_socket_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as item:
        found = PassedSocket(name="", socket=item, bound=UnixAddress(path))
        route = configs.route(listen=(UnixAddress(path),))
        assert PassedSockets([found]).claim(route, route.listen[0]) is found
        assert not found.is_for(route, TcpAddress("127.0.0.1", 80))


def test_a_socket_that_no_route_listens_on_is_refused(passed: Make) -> None:
    sockets = PassedSockets([passed("metrics", 9090)])
    with pytest.raises(StartFailed) as refused:
        sockets.check([configs.route(listen=listening(8080))])
    assert "a socket ('metrics') that listens on 127.0.0.1:9090, where no route" in str(
        refused.value
    )
    assert "ListenStream=" in refused.value.hint


def test_an_address_wider_than_the_configured_one_is_refused(passed: Make) -> None:
    route = configs.route("planner", listen=listening(8080))
    for sockets in ([passed("planner", 8080, "0.0.0.0")], [passed("", 8080, "::")]):
        with pytest.raises(StartFailed, match="listen"):
            PassedSockets(sockets).check([route])


def test_a_named_socket_is_that_route_s_only(passed: Make) -> None:
    routes = [
        configs.route("a", listen=listening(8080)),
        configs.route("b", listen=listening(8081)),
    ]
    with pytest.raises(StartFailed, match="where the route 'a' doesn't listen"):
        PassedSockets([passed("a", 8081)]).check(routes)


def test_a_socket_passed_twice_is_refused(passed: Make) -> None:
    route = configs.route(listen=listening(8080))
    with pytest.raises(StartFailed, match="for the second time"):
        PassedSockets([passed("", 8080), passed("", 8080)]).check([route])


def test_one_that_a_reload_left_alone_is_told(passed: Make) -> None:
    sockets = PassedSockets([passed("a", 8080)])
    assert list(sockets.unclaimed([configs.route("a", listen=listening(8080))])) == []
    (told,) = sockets.unclaimed([configs.route("b", listen=listening(8081))])
    assert "127.0.0.1:8080" in told


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "8", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"},
        {"LISTEN_PID": "7", "LISTEN_FDS": "one"},
        {"LISTEN_PID": "7", "LISTEN_FDS": "-1"},
        {"LISTEN_PID": "7", "LISTEN_FDS": "0"},
    ],
)
def test_what_is_not_for_this_process_is_left_alone(env: dict[str, str]) -> None:
    env |= {"LISTEN_PIDFDID": "5", "A": "b"}
    assert not PassedSockets.taken_from(env, pid=7)
    assert env == {"A": "b"}


FIND = """
import os, sys
from gateway.errors import StartFailed
from gateway.service.passed import PassedSockets
numbers = [os.dup2(int(number), 200 + at) for at, number in enumerate(sys.argv[2:])]
for at, number in enumerate(numbers):
    os.dup2(number, 3 + at)
env = {"LISTEN_PID": "7", "LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": sys.argv[1]}
try:
    for item in PassedSockets.taken_from(env, pid=7)._sockets:
        kept = item.socket
        print(item.name, item.bound, kept.getblocking(), kept.get_inheritable(), end="; ")
except StartFailed as error:
    print(error, error.hint)
print(sorted(env))
"""


def run_with(*items: tuple[int, str]) -> str:
    """What a fresh process finds that gets these descriptors from 3 on."""
    numbers = [os.dup(number) for number, _ in items]
    names = ":".join(name for _, name in items)
    try:
        found = subprocess.run(
            [sys.executable, "-c", FIND, names, *map(str, numbers)],
            pass_fds=numbers,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    finally:
        for number in numbers:
            os.close(number)
    return found.stdout.strip()


def test_names_and_addresses_are_read_and_nothing_is_inherited(tmp_path: Path) -> None:
    path = tmp_path / "b.sock"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        port = tcp.getsockname()[1]
        told = run_with((tcp.fileno(), "a"), (unix.fileno(), "b"))
    assert told == f"a 127.0.0.1:{port} False False; b unix:{path} False False; []"


def test_what_does_not_listen_is_refused_by_name(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert "descriptor 3 ('store') is no socket" in run_with((file.fileno(), "store"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        told = run_with((udp.fileno(), "udp"))
    assert "descriptor 3 ('udp') is no listening stream socket" in told
    assert "Accept=no" in told
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert "('conn') is no listening stream socket" in run_with((ours.fileno(), "conn"))
