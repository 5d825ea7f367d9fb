from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.model import Route, TcpAddress, UnixAddress
from gateway.control_plane.listeners import ListenerSet, OpenListener, open_unix_socket
from gateway.errors import StartFailed
from gateway.service.passed import PassedSocket, PassedSockets
from tests.fakes import configs


@pytest.fixture
def listeners() -> Iterator[ListenerSet]:
    opened = ListenerSet()
    yield opened
    opened.close()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def change(listeners: ListenerSet, routes: list[Route]) -> None:
    made = listeners.prepare(routes)
    listeners.commit(made)
    made.finish()


def first(listeners: ListenerSet, route: str = "planner") -> OpenListener:
    return listeners.by_route[route][0]


def test_port_0_shows_the_port_that_it_got(listeners: ListenerSet) -> None:
    change(listeners, [configs.route()])
    bound = first(listeners).bound
    assert isinstance(bound, TcpAddress)
    assert bound.port != 0
    with socket.create_connection((bound.host, bound.port)):
        pass


def test_a_port_in_use_is_named_with_a_remedy(listeners: ListenerSet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        route = configs.route(listen=(TcpAddress("127.0.0.1", port),))
        with pytest.raises(StartFailed, match=f"'planner' can't listen on 127.0.0.1:{port}") as got:
            listeners.prepare([route])
    assert f":{port}" in got.value.hint


def test_several_workers_do_not_share_a_port_with_another_gateway() -> None:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = TcpAddress("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(StartFailed, match="in use"):
            ListenerSet(workers=2).prepare([configs.route(listen=(address,))])


def test_a_failure_closes_what_was_opened_before_it(listeners: ListenerSet, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    good = configs.route("a", listen=(UnixAddress(path),))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bad = configs.route("b", listen=(TcpAddress("127.0.0.1", port),))
        with pytest.raises(StartFailed):
            listeners.prepare([good, bad])
    assert not path.exists()
    assert listeners.all == ()


def test_a_change_touches_only_what_changed(listeners: ListenerSet, tmp_path: Path) -> None:
    gone = UnixAddress(tmp_path / "gone.sock")
    keep = configs.route("keep")
    change(listeners, [keep, configs.route("gone", listen=(gone,))])
    kept, removed = first(listeners, "keep"), first(listeners, "gone")
    change(listeners, [keep, configs.route("new")])
    assert first(listeners, "keep") is kept
    assert removed.sockets[0].fileno() == -1
    assert not gone.path.exists()
    assert len({kept.id, removed.id, first(listeners, "new").id}) == 3


def test_an_address_that_moves_to_another_route_stays_open(
    listeners: ListenerSet, tmp_path: Path
) -> None:
    address = (UnixAddress(tmp_path / "x.sock"),)
    change(listeners, [configs.route("old", listen=address)])
    before = first(listeners, "old")
    change(listeners, [configs.route("new", listen=address)])
    assert first(listeners, "new") is before
    assert address[0].path.exists()


def test_a_unix_socket_is_private_whatever_the_umask_and_leaves_it_alone(tmp_path: Path) -> None:
    opened = threading.Event()
    folders: list[int] = []

    def make_folders() -> None:
        while not opened.is_set():
            folder = tmp_path / f"folder{len(folders)}"
            folder.mkdir(mode=0o700)
            folders.append(stat.S_IMODE(folder.stat().st_mode))

    before = os.umask(0)
    thread = threading.Thread(target=make_folders)
    thread.start()
    try:
        for index in range(200):
            path = tmp_path / f"{index}.sock"
            item, _ = open_unix_socket(path)
            item.close()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        opened.set()
        thread.join()
        os.umask(before)
    assert set(folders) == {0o700}


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
def test_both_loopback_addresses_can_have_the_same_port(listeners: ListenerSet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    addresses = (TcpAddress("127.0.0.1", port), TcpAddress("::1", port))
    change(listeners, [configs.route(listen=addresses)])
    shown = [item.address for item in listeners.by_route["planner"]]
    assert shown == [f"127.0.0.1:{port}", f"[::1]:{port}"]


def test_an_ipv6_address_that_this_machine_lacks_is_skipped(
    listeners: ListenerSet, caplog: pytest.LogCaptureFixture
) -> None:
    # 2001:db8::/32 is for documentation: nowhere configured, so binding fails as on a machine
    # without IPv6.
    absent = TcpAddress("2001:db8::1", 0)
    change(listeners, [configs.route(listen=(TcpAddress("127.0.0.1", 0), absent))])
    assert len(listeners.by_route["planner"]) == 1
    assert "not listening on [2001:db8::1]:0" in caplog.text
    with pytest.raises(StartFailed, match="no address to listen on"):
        listeners.prepare([configs.route("only", listen=(absent,))])


def test_a_unix_socket_has_mode_0600(tmp_path: Path) -> None:
    path = tmp_path / "private" / "x.sock"
    with contextlib.closing(open_unix_socket(path)[0]):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with (
        contextlib.closing(open_unix_socket(path)[0]),
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(str(path))


def test_a_unix_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(StartFailed, match="another program answers"):
            open_unix_socket(path)
        assert path.exists()


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    path.write_text("precious")
    with pytest.raises(StartFailed, match="not a socket"):
        open_unix_socket(path)
    assert path.read_text() == "precious"


def test_a_folder_that_others_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(StartFailed, match="not safe"):
        open_unix_socket(folder / "x.sock")
    folder.chmod(0o1777)
    open_unix_socket(folder / "x.sock")[0].close()


def test_a_path_that_is_too_long_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StartFailed) as got:
        open_unix_socket(tmp_path / ("x" * 120))
    assert "shorter" in got.value.hint


def test_closing_leaves_a_socket_that_somebody_else_put_there(
    listeners: ListenerSet, tmp_path: Path
) -> None:
    address = UnixAddress(tmp_path / "x.sock")
    change(listeners, [configs.route(listen=(address,))])
    os.rename(address.path, tmp_path / "moved")  # noqa: PTH104 - a plain rename is the point
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(address.path))
        listeners.close()
        assert address.path.exists()


def passed_by(name: str, item: socket.socket) -> PassedSockets:
    bound = TcpAddress(*item.getsockname()[:2])
    return PassedSockets([PassedSocket(name=name, socket=item, bound=bound)])


def test_a_passed_socket_is_adopted_by_all_workers_and_outlives_its_route() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        listeners = ListenerSet(workers=2, passed=passed_by("planner", given))
        route = configs.route("planner", listen=(TcpAddress("127.0.0.1", port),))
        change(listeners, [route])
        kept = first(listeners)
        assert kept.sockets[0] is kept.sockets[1]
        change(listeners, [route, configs.route("other")])
        assert first(listeners) is kept
        # Nobody could bind it once more, as whoever passed it listens on.
        change(listeners, [configs.route("other")])
        change(listeners, [route])
        again = first(listeners)
        assert again.id != kept.id
        with socket.create_connection(("127.0.0.1", port)):
            again.sockets[0].accept()[0].close()
        listeners.close()
        assert given.fileno() != -1


def test_a_passed_unix_socket_keeps_its_path_and_needs_a_safe_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(path))
        given.listen()
        item = PassedSocket(name="", socket=given, bound=UnixAddress(path))
        listeners = ListenerSet(passed=PassedSockets([item]))
        route = configs.route(listen=(UnixAddress(path),))
        change(listeners, [route])
        listeners.close()
        assert path.exists()
        tmp_path.chmod(0o777)
        with pytest.raises(StartFailed, match="others can write"):
            listeners.prepare([route])
        tmp_path.chmod(0o700)
