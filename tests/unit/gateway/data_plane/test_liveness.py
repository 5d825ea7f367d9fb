from __future__ import annotations

import socket

import pytest

from gateway.data_plane.liveness import give_up_after, is_unheard, keep_alive


def accepted_by(listening: socket.socket) -> socket.socket:
    with socket.create_connection(listening.getsockname()):
        return listening.accept()[0]


def test_what_a_listening_socket_accepts_is_probed_within_about_a_minute() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        keep_alive(listening)
        with accepted_by(listening) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, every, tries = (
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
    assert 30 <= idle + every * tries <= 90


@pytest.mark.parametrize(("seconds", "milliseconds"), [(1.5, 1500), (120.0, 120_000), (86_400, 0)])
def test_the_limit_is_inherited_and_none_beyond_the_system_s_own(
    seconds: float, milliseconds: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        give_up_after(listening, 3.0)
        give_up_after(listening, seconds)
        with accepted_by(listening) as sock:
            limit = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert limit == milliseconds


def test_a_unix_socket_needs_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        give_up_after(ours, 1.0)


def test_a_peer_that_does_not_read_has_heard() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as sock,
        listening.accept()[0],
    ):
        sock.setblocking(False)
        assert not is_unheard(sock)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(bytes(1 << 20))
        assert not is_unheard(sock)


def test_nothing_is_lost_on_a_unix_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"x")
        assert not is_unheard(ours)
