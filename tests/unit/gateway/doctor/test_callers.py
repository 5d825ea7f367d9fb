"""Addresses that could be listened on, and those that can't."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.model import AllowRule, PeerName, Route, TcpAddress, UnixAddress
from gateway.doctor.callers import examine_free, examine_running
from gateway.doctor.finding import Finding

pytestmark = pytest.mark.may_block("listens for a moment")


def _route(*listen: TcpAddress | UnixAddress, allow: tuple[AllowRule, ...] = ()) -> Route:
    return Route(
        name="planner",
        listen=listen,
        upstream_host="planner.example",
        upstream_port=443,
        server_name="planner.example",
        peer=(PeerName("dns", "planner.example"),),
        allow=allow,
    )


def _first(route: Route) -> Finding:
    return examine_free(route)[0]


@pytest.fixture
def taken() -> Iterator[TcpAddress]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield TcpAddress("127.0.0.1", listening.getsockname()[1])


def test_free_ones(tmp_path: Path) -> None:
    left_over = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left_over))
    route = _route(
        TcpAddress("127.0.0.1", 0),
        TcpAddress("::1", 0),
        UnixAddress(tmp_path / "new.sock"),
        UnixAddress(left_over),
    )
    assert _first(route).result == "pass"
    assert not (tmp_path / "new.sock").exists()


def test_a_taken_port(taken: TcpAddress) -> None:
    found = _first(_route(taken, TcpAddress("127.0.0.1", 0)))
    assert found.result == "fail"
    assert f"{taken} is taken" in found.detail


def test_an_address_of_another_machine() -> None:
    # TEST-NET-1 (RFC 5737) is nobody's.
    assert "is not of this machine" in _first(_route(TcpAddress("192.0.2.1", 8701))).detail


def test_sockets_that_cant_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other.sock"))
        other.listen()
        for path, said in (
            (file, "is no socket"),
            (tmp_path / "none" / "x.sock", "its folder isn't there"),
            (tmp_path / "other.sock", "is taken"),
        ):
            assert said in _first(_route(UnixAddress(path))).detail


def test_a_program_that_is_not_there() -> None:
    rules = (AllowRule(uid=0, exe="/usr/bin/none-such"), AllowRule(uid=0, exe="/bin/sh"))
    _, found = examine_free(_route(TcpAddress("127.0.0.1", 0), allow=rules))
    assert found.result == "warn"
    assert "/usr/bin/none-such" in found.detail


async def test_listeners_of_a_running_gateway(taken: TcpAddress, tmp_path: Path) -> None:
    route = _route(taken)
    good = await examine_running(route, {"listeners": [str(taken)]}, deadline_s=20)
    assert [item.result for item in good] == ["pass"]
    gone = {"listeners": [str(taken), f"unix:{tmp_path}/none.sock"]}
    (bad,) = await examine_running(route, gone, deadline_s=20)
    assert bad.result == "fail"
    assert "none.sock failed" in bad.detail
    (none,) = await examine_running(route, {}, deadline_s=20)
    assert none.result == "warn"  # or `init --add` beside a running gateway could never succeed
    assert "doesn't listen for this route" in none.detail
