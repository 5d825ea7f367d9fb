"""A tcp route carries bytes as they are: both ways, to each side's own end, or to a common cut."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gateway.ipc import events
from gateway.ipc.snapshot import AllowSpec, LimitsSpec
from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, Script, ScriptedUpstream, wait_until
from tests.fakes.worker_rig import WorkerRig

TCP = {"kind": "tcp", "tls": {"alpn": ()}}


def echoing(conversation: Conversation) -> None:
    while data := conversation.read():
        conversation.send(data)
    conversation.close()


def test_bytes_go_both_ways_as_they_are(lab: StartLab) -> None:
    here = lab(echoing, headers=(), route=TCP)
    client = here.connect()
    for message in (b"\x00\xff", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 1000):
        client.send(message)
        assert client.read_exactly(len(message)) == message
    client.half_close()
    assert client.read_to_end() == b""
    (line,) = here.worker.access_log(1)
    size = 2 + 18 + 256_000
    assert (line["method"], line["status"], line["reason"]) == ("TCP", 200, "")
    assert (line["bytes_up"], line["bytes_down"]) == (size, size)


def test_the_upstream_may_speak_first(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(b"220 ready\r\n")
        conversation.wait_gone()

    assert lab(script, route=TCP).connect().read_exactly(11) == b"220 ready\r\n"


def test_a_caller_may_say_all_of_it_before_the_upstream_is_reached(lab: StartLab) -> None:
    go = threading.Event()

    class Slow(Conversation):
        def handshake(self) -> None:
            assert go.wait(5)
            super().handshake()

    here = lab(echoing, route=TCP)
    here.upstream.conversation = Slow
    client = here.connect()
    client.send(b"all of it")
    client.half_close()
    here.upstream.wait_for(lambda upstream: upstream.accepted == 1)
    go.set()
    assert client.read_to_end() == b"all of it"


def test_the_caller_s_half_close_leaves_the_way_down_open(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        everything = b""
        while data := conversation.read():
            everything += data
        conversation.send(everything * 1000)
        conversation.close()

    client = lab(script, route=TCP).connect()
    client.send(b"last words")
    client.half_close()
    assert client.read_to_end() == b"last words" * 1000


def test_the_upstream_s_half_close_leaves_the_way_up_open(lab: StartLab) -> None:
    got: list[bytes] = []
    done = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.send(b"bye")
        conversation.end_writing()
        while data := conversation.read():
            got.append(data)
        done.set()

    here = lab(script, route=TCP)
    client = here.connect()
    assert client.read_to_end() == b"bye"
    client.send(b"still ")
    client.send(b"here")
    client.half_close()
    assert done.wait(5)
    assert b"".join(got) == b"still here"
    wait_until(lambda: here.worker.stats().active == 0)


@pytest.mark.parametrize("size", [1, 100_000, 1_000_003, 5_000_011])
def test_the_end_comes_through_behind_all_bytes_to_a_slow_reader(lab: StartLab, size: int) -> None:
    """The farewell of TLS has to be said when the system takes no more for the moment, too."""
    go = threading.Event()
    got: list[int] = []

    def script(conversation: Conversation) -> None:
        assert go.wait(10)
        total = 0
        while data := conversation.read():
            total += len(data)
        got.append(total)
        conversation.send(bytes(size))
        conversation.close()

    def say_all_of_it() -> None:
        client.send(bytes(size))
        client.half_close()

    here = lab(script, route=TCP, receive_buffer=8_192)
    client = here.connect(receive_buffer=8_192)
    sending = threading.Thread(target=say_all_of_it)
    sending.start()
    client.is_quiet(0.1)
    go.set()
    sending.join(10)
    assert len(client.read_to_end()) == size
    assert got == [size]


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_broken_upstream_is_a_reset_for_the_caller(lab: StartLab, end: str) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(b"half a mess")
        conversation.read_exactly(2)
        getattr(conversation, end)()

    here = lab(script, route=TCP)
    client = here.connect()
    assert client.read_exactly(11) == b"half a mess"
    client.send(b"ok")
    with pytest.raises(ConnectionResetError):
        client.read_to_end()
    assert here.worker.access_log(1)[0]["reason"] == "upstream_closed"


def test_a_reset_by_the_caller_is_a_cut_for_the_upstream(lab: StartLab) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.send(b"x")
        ends.append(conversation.wait_gone())

    here = lab(script, route=TCP)
    client = here.connect()
    client.read_exactly(1)
    client.reset()
    here.upstream.wait_for(lambda _: len(ends) == 1)
    assert ends[0] in {"cut", "reset"}
    assert here.worker.access_log(1)[0]["reason"] == "client_closed"
    assert here.worker.stats().connections == {}


def _unreachable(lab: StartLab) -> RawClient:
    here = lab(echoing, route=TCP)
    here.upstream.close()
    return here.connect()


def _of_another_name(lab: StartLab) -> RawClient:
    return lab(echoing, route=TCP, peers=("spiffe://acme.example/other",)).connect()


def _unavailable(lab: StartLab) -> RawClient:
    return lab(echoing, route={**TCP, "unavailable": "not now"}).connect()


def _without_identity(lab: StartLab) -> RawClient:
    return lab(echoing, route=TCP, identity=False).connect()


@pytest.mark.parametrize("start", [_unreachable, _of_another_name, _unavailable, _without_identity])
def test_what_can_not_be_carried_is_reset(lab: StartLab, start: object) -> None:
    with pytest.raises(ConnectionResetError):  # by whatever the caller does first after it
        client = start(lab)  # type: ignore[operator]
        client.send(b"not for them")
        client.read_to_end()


def test_a_caller_that_no_rule_allows_reaches_nobody(lab: StartLab) -> None:
    rule = AllowSpec(uid=12345, exe="", token="", token_sha256="")
    here = lab(echoing, route={**TCP, "allow": (rule,)})
    client = here.connect()
    with pytest.raises(ConnectionResetError):
        client.read_to_end()
    assert here.upstream.accepted == 0
    (line,) = here.worker.access_log(1)
    assert (line["status"], line["reason"]) == (403, "caller_denied")
    (told,) = here.worker.events(events.CALLER_DENIED)
    assert "no rule allows the caller" in told["reason"]


def test_a_side_that_takes_nothing_is_given_up(lab: StartLab) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(bytes(20_000_000))

    here = lab(script, route=TCP, limits=LimitsSpec(idle_timeout_s=0.5))
    client = here.connect(receive_buffer=8_192)
    assert here.worker.access_log(1)[0]["reason"] == "client_stalled"
    with pytest.raises(ConnectionResetError):
        client.read_to_end()


def test_one_that_is_quiet_is_not(lab: StartLab) -> None:
    here = lab(echoing, route=TCP, limits=LimitsSpec(idle_timeout_s=0.1, head_timeout_s=0.1))
    client = here.connect()
    client.send(b"a")
    assert client.read_exactly(1) == b"a"
    assert client.is_quiet(2.2)  # two sweeps
    client.send(b"b")
    assert client.read_exactly(1) == b"b"


# On a Unix socket the system tells at once that a peer has closed altogether.


def _unix(lab: StartLab, script: Script, path: Path) -> tuple[WorkerRig, ScriptedUpstream]:
    here = lab(script, route=TCP, unix_socket=path, receive_buffer=8_192)
    return here.worker, here.upstream


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_a_unix_caller_s_last_words_arrive_whole(lab: StartLab, tmp_path: Path, size: int) -> None:
    got: list[int] = []

    def script(conversation: Conversation) -> None:
        total = 0
        while data := conversation.read():
            total += len(data)
        got.append(total)

    worker, upstream = _unix(lab, script, tmp_path / "s")
    with worker.connect() as client:
        client.send(bytes(size))
    upstream.wait_for(lambda _: len(got) == 1)
    assert got == [size]
    wait_until(lambda: worker.stats().active == 0)


def test_a_unix_caller_that_is_gone_gets_nothing_more(lab: StartLab, tmp_path: Path) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        assert conversation.read_exactly(1) == b"x"
        ends.append(conversation.wait_gone())

    worker, upstream = _unix(lab, script, tmp_path / "s")
    with worker.connect() as client:
        client.send(b"x")
    upstream.wait_for(lambda _: len(ends) == 1)
    wait_until(lambda: worker.stats().active == 0)
    assert worker.cpu() < 3
