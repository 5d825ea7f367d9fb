"""A tunnel between two streams that do what the test says."""

from __future__ import annotations

import gc
import weakref
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.data_plane.reactor import ERROR, HANGUP, READ, WRITE, Reactor
from gateway.data_plane.stream import ConnectionLost
from gateway.data_plane.tcp import HTTP_2_PREFACE
from gateway.data_plane.tunnel import Tunnel
from tests.compiled import sources_only
from tests.unit.gateway.data_plane.test_connection import RecordingPoller

pytestmark = sources_only

NEAR, FAR = 3, 4


class Stream:
    """Gives what was put into `coming`, takes `room` bytes."""

    read_size = 100

    def __init__(self) -> None:
        self.coming: list[bytes] = []
        self.room = 1000
        self.written = b""
        self.ending = ""
        self.takes_farewell = True
        self.broken = False

    def read(self) -> bytes | None:
        return self.coming.pop(0) if self.coming else None

    def write(self, data: bytes) -> int:
        if self.broken:
            raise ConnectionLost("broken")
        taken = data[: self.room]
        self.room -= len(taken)
        self.written += taken
        return len(taken)

    def has_news(self) -> bool:
        return bool(self.coming)

    def shutdown_write(self) -> bool:
        if self.takes_farewell:
            self.ending = "shut"
        return self.takes_farewell

    def is_unheard(self) -> bool:
        raise AssertionError("only an exchange asks")

    def give_up_after(self, seconds: float) -> None:
        """The system's business."""

    def close(self) -> None:
        self.ending = "closed"

    def abort(self) -> None:
        self.ending = "aborted"


class Rig:
    """A tunnel, its two streams, and what was told when it ended."""

    def __init__(self, *, opening: bytes = b"") -> None:
        self.poller = RecordingPoller()
        reactor = Reactor(self.poller, lambda: None)
        self.near, self.far = Stream(), Stream()
        self.reasons: list[str] = []
        self.rejected: list[str] = []
        self.downstream = SimpleNamespace(
            reactor=reactor,
            stream=self.near,
            fd=NEAR,
            hand_over=lambda: b"",
            bytes_up=0,
            bytes_down=0,
            first_byte_at=0.0,
            end_tunnel=self.reasons.append,
        )
        route = SimpleNamespace(
            pool=SimpleNamespace(retired=lambda _tunnel, _reason: None),
            refusals=SimpleNamespace(accepted=lambda _generation: None),
            plane=SimpleNamespace(limits=SimpleNamespace(idle_timeout_s=60.0)),
            note_rejected=self.rejected.append,
        )
        upstream = SimpleNamespace(
            epoch=SimpleNamespace(credentials=SimpleNamespace(generation=1)),
            endpoint=SimpleNamespace(connections=set()),
            stream=self.far,
            fd=FAR,
        )
        parts: tuple[Any, Any, Any] = (self.downstream, route, upstream)
        self.tunnel = Tunnel(*parts, opening=opening)
        self.tunnel.start(b"")
        self._reactor = reactor

    def event(self, fd: int, readiness: int) -> None:
        """One turn of the loop."""
        self._reactor._callbacks[fd](readiness)
        self._reactor.write_held()

    def arrives(self, fd: int, *pieces: bytes) -> None:
        """Bytes, or the end as b"", from one side."""
        stream = self.near if fd == NEAR else self.far
        for piece in pieces:
            stream.coming.append(piece)
            self.event(fd, READ)

    @property
    def endings(self) -> tuple[str, str]:
        return self.near.ending, self.far.ending


def test_each_direction_ends_by_itself_and_the_last_one_ends_both() -> None:
    rig = Rig()
    rig.arrives(NEAR, b"up", b"")
    assert (rig.far.written, rig.endings, rig.reasons) == (b"up", ("", "shut"), [])
    rig.arrives(FAR, b"down")
    assert rig.near.written == b"down"
    rig.arrives(FAR, b"")
    assert (rig.endings, rig.reasons) == (("closed", "closed"), [""])
    assert (rig.downstream.bytes_up, rig.downstream.bytes_down) == (2, 4)
    assert rig.poller.masks == {}


def test_the_end_waits_for_the_bytes_before_it() -> None:
    rig = Rig()
    rig.far.room = 1
    rig.arrives(NEAR, b"up")
    assert rig.poller.masks[NEAR] == 0, "no more is read than the other side takes"
    rig.far.room = 1000
    rig.event(FAR, WRITE)
    rig.arrives(NEAR, b"")
    assert (rig.far.written, rig.far.ending) == (b"up", "shut")


def test_a_farewell_that_was_not_taken_is_said_again() -> None:
    rig = Rig()
    rig.far.takes_farewell = False
    rig.arrives(NEAR, b"")
    assert (rig.far.ending, rig.poller.masks[FAR]) == ("", READ | WRITE)
    assert rig.tunnel.deadline < inf
    rig.event(FAR, WRITE)
    assert rig.poller.masks[FAR] == READ | WRITE
    rig.far.takes_farewell = True
    rig.event(FAR, WRITE)
    assert (rig.far.ending, rig.poller.masks[FAR]) == ("shut", READ)
    assert rig.tunnel.deadline == inf


def test_a_loss_of_either_side_cuts_both() -> None:
    for fd, reason in ((NEAR, "client_closed"), (FAR, "upstream_closed")):
        rig = Rig()
        (rig.near if fd == NEAR else rig.far).broken = True
        rig.arrives(FAR if fd == NEAR else NEAR, b"x")
        assert (rig.endings, rig.reasons) == (("aborted", "aborted"), [reason])


def test_a_peer_that_has_closed_altogether_ends_it_once_its_bytes_are_taken() -> None:
    rig = Rig()
    rig.far.room = 0
    rig.near.coming = [b"last words"]
    rig.event(NEAR, READ | HANGUP)  # read first, and then not any more
    rig.event(NEAR, HANGUP)
    assert NEAR not in rig.poller.masks
    rig.far.room = 1000
    rig.near.coming = [b""]
    rig.event(FAR, WRITE)
    assert rig.poller.masks[NEAR] == READ
    rig.event(NEAR, READ | HANGUP)
    assert (rig.far.written, rig.far.ending, rig.reasons) == (b"last words", "shut", [])
    rig.event(NEAR, HANGUP)
    assert (rig.endings, rig.reasons) == (("closed", "closed"), ["client_closed"])


def test_one_that_broke_after_its_end_ends_it_at_once() -> None:
    rig = Rig()
    rig.arrives(NEAR, b"")
    rig.event(NEAR, HANGUP | ERROR)
    assert (rig.endings, rig.reasons) == (("aborted", "aborted"), ["client_closed"])


def test_what_is_over_keeps_no_stream() -> None:
    """A TLS connection has some 40 KiB, and the ends of a tunnel refer to each other."""
    gc.disable()
    try:
        rig = Rig()
        rig.arrives(NEAR, b"")
        near, far = weakref.ref(rig.near), weakref.ref(rig.far)
        rig.arrives(FAR, b"")
        del rig.near, rig.far
        assert (near(), far()) == (None, None)
    finally:
        gc.enable()


# The opening


def test_an_opening_passes_in_any_pieces_as_it_comes() -> None:
    for size in (1, 5, 24, 1000):
        rig = Rig(opening=HTTP_2_PREFACE)
        message = HTTP_2_PREFACE + b"\0\0\0\4\0\0\0\0\0"
        for at in range(0, len(message), size):
            rig.arrives(NEAR, message[at : at + size])
            assert rig.far.written == message[: at + size], "nothing is kept back"
        rig.arrives(NEAR, b"GET anything")
        assert rig.far.written == message + b"GET anything"


@pytest.mark.parametrize(
    "message",
    [
        b"GET / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t",
        b"PRI * HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"pri * http/2.0",
    ],
)
def test_what_begins_otherwise_is_cut_before_it_is_passed_on(message: bytes) -> None:
    rig = Rig(opening=HTTP_2_PREFACE)
    rig.arrives(NEAR, message)
    assert rig.far.written == b""
    assert (rig.endings, rig.reasons) == (("aborted", "aborted"), ["foreign_protocol"])
    assert rig.rejected == ["foreign_protocol"]
    assert rig.downstream.bytes_up == 0


def test_a_part_of_the_opening_is_no_opening() -> None:
    rig = Rig(opening=HTTP_2_PREFACE)
    rig.arrives(NEAR, b"P", b"OST / HTTP/1.1\r\n")
    assert rig.far.written == b"P"
    assert rig.reasons == ["foreign_protocol"]


def test_the_other_side_may_open_as_it_likes() -> None:
    rig = Rig(opening=HTTP_2_PREFACE)
    rig.arrives(FAR, b"anything")
    assert rig.near.written == b"anything"
