"""Gathering, buffering, pausing and looking away, with a stream that does what the test says."""

from __future__ import annotations

from gateway.data_plane.connection import Connection
from gateway.data_plane.reactor import ERROR, HANGUP, PEER_CLOSED, READ, WRITE, Reactor
from gateway.data_plane.stream import ConnectionLost
from tests.compiled import sources_only

pytestmark = sources_only

FD = 7


class RecordingPoller:
    """Remembers what is watched."""

    def __init__(self) -> None:
        self.masks: dict[int, int] = {}

    def register(self, fd: int, mask: int) -> None:
        assert fd not in self.masks
        self.masks[fd] = mask

    def modify(self, fd: int, mask: int) -> None:
        assert fd in self.masks
        self.masks[fd] = mask

    def unregister(self, fd: int) -> None:
        del self.masks[fd]

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        raise AssertionError("nobody waits here")


class ScriptedStream:
    """Takes `room` bytes a write, or breaks."""

    read_size = 100

    def __init__(self) -> None:
        self.room = 100_000
        self.writes = 0
        self.written = b""
        self.broken = False
        self.ending = ""

    def read(self) -> bytes | None:
        return None

    def write(self, data: bytes) -> int:
        if self.broken:
            raise ConnectionLost("broken")
        self.writes += 1
        taken = data[: self.room]
        self.room -= len(taken)
        self.written += taken
        return len(taken)

    def has_news(self) -> bool:
        return False

    def shutdown_write(self) -> bool:
        self.ending = "shut"
        return True

    def is_unheard(self) -> bool:
        raise AssertionError("only an exchange asks")

    def give_up_after(self, seconds: float) -> None:
        raise AssertionError("only a tunnel does")

    def close(self) -> None:
        self.ending = "closed"

    def abort(self) -> None:
        self.ending = "aborted"


class Probe(Connection):
    """Notes what it is told."""

    stream: ScriptedStream

    def __init__(self) -> None:
        self.poller = RecordingPoller()
        super().__init__(Reactor(self.poller, lambda: None), ScriptedStream(), FD)
        self.reactor.add(FD, READ, self.on_event)
        self.told: list[str] = []

    def write(self, data: bytes) -> None:
        """Send, to the end of the turn."""
        self.send(data)
        self.reactor.write_held()

    @property
    def mask(self) -> int | None:
        return self.poller.masks.get(FD)

    def on_readable(self) -> None:
        self.told.append("readable")

    def on_blocked(self) -> None:
        self.told.append("blocked")

    def on_drained(self) -> None:
        self.told.append("drained")

    def on_progress(self) -> None:
        self.told.append("progress")

    def on_lost(self, lost: ConnectionLost) -> None:
        self.told.append(str(lost))
        self.abort()

    def on_deadline(self) -> None:
        self.told.append("deadline")


def test_what_is_not_taken_waits_and_goes_out_later() -> None:
    probe = Probe()
    probe.stream.room = 3
    probe.write(b"abcdef")
    assert (probe.out, probe.mask) == (b"def", READ | WRITE)
    assert probe.told == ["blocked"]
    probe.told.clear()
    probe.write(b"ghi")
    assert probe.told == [], "who sends while something waits can see it"
    probe.stream.room = 4
    probe.on_event(WRITE)
    assert (probe.out, probe.told) == (b"hi", ["progress"])
    probe.on_event(WRITE)
    assert (probe.out, probe.told) == (b"hi", ["progress"]), "nothing was taken"
    probe.stream.room = 100
    probe.on_event(WRITE)
    assert (probe.out, probe.mask, probe.told) == (b"", READ, ["progress", "drained"])
    assert probe.stream.written == b"abcdefghi"


def test_what_comes_in_one_turn_is_written_at_once_and_in_order() -> None:
    probe = Probe()
    for piece in (b"ab", b"cd", b"ef"):
        probe.send(piece)
    assert (probe.stream.writes, probe.held) == (0, b"abcdef")
    probe.reactor.write_held()
    assert (probe.stream.writes, probe.stream.written, probe.held) == (1, b"abcdef", b"")
    probe.reactor.write_held()
    assert probe.stream.writes == 1
    assert probe.told == []


def test_what_is_much_is_not_held_back() -> None:
    probe = Probe()
    probe.send(b"a")
    probe.send(bytes(8192))
    assert probe.stream.written == b"a" + bytes(8192)
    probe.send(b"b")
    probe.reactor.write_held()
    assert probe.stream.written == b"a" + bytes(8192) + b"b"
    assert probe.told == []


def test_a_long_piece_that_is_not_taken_whole_is_no_surprise_to_who_sent_it() -> None:
    probe = Probe()
    probe.stream.room = 1
    probe.send(bytes(9000))
    assert len(probe.out) == 8999
    assert probe.told == []
    probe.send(b"x")
    assert (len(probe.out), probe.held) == (9000, b"")


def test_what_is_held_back_goes_before_a_close_and_not_before_an_abort() -> None:
    closed, aborted = Probe(), Probe()
    for probe in (closed, aborted):
        probe.send(b"last words")
    closed.close()
    aborted.abort()
    assert (closed.stream.written, closed.stream.ending) == (b"last words", "closed")
    assert (aborted.stream.written, aborted.stream.ending) == (b"", "aborted")
    for probe in (closed, aborted):
        probe.reactor.write_held()
        assert (probe.stream.writes, probe.told) == (probe is closed, [])


def test_a_close_whose_last_words_nobody_takes_is_still_one() -> None:
    probe = Probe()
    probe.send(b"last words")
    probe.stream.broken = True
    probe.close()
    assert (probe.stream.ending, probe.told) == ("closed", [])


def test_what_is_held_back_is_handed_over() -> None:
    for room, handed in ((100, b"ab"), (1, b"b")):
        probe = Probe()
        probe.stream.room = room
        probe.send(b"ab")
        if room == 1:
            probe.reactor.write_held()
        assert probe.hand_over() == handed
        probe.reactor.write_held()
        assert probe.hand_over() == b""


def test_a_broken_write_is_told_once_and_does_not_raise() -> None:
    probe = Probe()
    probe.stream.broken = True
    probe.write(b"abc")
    assert (probe.told, probe.closed, probe.mask) == (["broken"], True, None)
    assert probe.stream.ending == "aborted"


def test_a_pause_keeps_writing() -> None:
    probe = Probe()
    probe.stream.room = 1
    probe.write(b"ab")
    probe.told.clear()
    probe.pause()
    assert probe.mask == WRITE
    probe.stream.room = 100
    probe.on_event(WRITE)
    assert (probe.mask, probe.told) == (0, ["drained"])
    probe.resume()
    assert probe.mask == READ


def test_reading_comes_before_writing() -> None:
    """A peer that closed may have left an answer; writing to it first would lose that."""
    probe = Probe()
    probe.stream.room = 0
    probe.write(b"x")
    probe.told.clear()
    probe.stream.room = 9
    probe.on_event(READ | WRITE | HANGUP)
    assert probe.told == ["readable", "drained"]


def test_nothing_is_read_while_paused() -> None:
    probe = Probe()
    probe.pause()
    probe.on_event(READ)
    assert probe.told == []


def test_a_peer_gone_during_a_pause_is_looked_away_from_until_reading_goes_on() -> None:
    for readiness in (HANGUP, ERROR):
        probe = Probe()
        probe.pause()
        probe.on_event(readiness)
        assert probe.mask is None
        probe.resume()
        assert probe.mask == READ
        probe.on_event(READ | readiness)
        assert probe.told == ["readable"]


def test_nothing_is_written_to_a_peer_looked_away_from() -> None:
    probe = Probe()
    probe.stream.room = 0
    probe.write(b"x")
    probe.told.clear()
    probe.pause()
    probe.stream.broken = True
    probe.on_event(WRITE | HANGUP | ERROR)
    assert (probe.told, probe.closed) == ([], False)


def test_after_the_peer_s_end_only_writing_matters() -> None:
    probe = Probe()
    probe.reading_done()
    assert (probe.ended, probe.mask) == (True, 0)
    probe.resume()
    assert probe.mask == 0
    probe.stream.room = 0
    probe.write(b"x")
    probe.told.clear()
    assert probe.mask == WRITE


def test_a_closed_connection_is_forgotten() -> None:
    probe = Probe()
    probe.stream.room = 0
    probe.write(b"x")
    probe.told.clear()
    probe.deadline = 1.0
    probe.close()
    probe.abort()
    assert (probe.closed, probe.out, probe.mask) == (True, b"", None)
    assert probe.deadline == float("inf")
    assert probe.stream.ending == "closed"
    probe.pause()
    probe.resume()
    assert probe.mask is None


def test_readiness_of_the_peer_s_close_is_read() -> None:
    probe = Probe()
    probe.on_event(PEER_CLOSED)
    assert probe.told == ["readable"]
