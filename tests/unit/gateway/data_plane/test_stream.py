"""Plain and TLS streams over real sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from OpenSSL import SSL

from gateway.data_plane import stream as stream_module
from gateway.data_plane.records import RECORD
from gateway.data_plane.stream import CLOSED, ConnectionLost, PlainStream, TlsStream
from gateway.data_plane.tls import client_context, load_material
from gateway.ipc.snapshot import IdentitySpec, TlsSpec
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import Conversation, Script, ScriptedUpstream, wait_until


def test_what_stands_in_a_closed_stream_s_place_is_closed() -> None:
    with pytest.raises(ConnectionLost):
        CLOSED.read()
    with pytest.raises(ConnectionLost):
        CLOSED.write(b"x")
    CLOSED.close()
    CLOSED.abort()


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    ours.setblocking(False)
    theirs.settimeout(5)
    return ours, theirs


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = _tcp_pair()
    with ours, theirs:
        yield ours, theirs


def test_plain_reading(pair: tuple[socket.socket, socket.socket]) -> None:
    stream = PlainStream(pair[0])
    assert stream.read() is None
    pair[1].send(b"abc")
    wait_until(lambda: (data := stream.read()) == b"abc" or data is not None)
    pair[1].close()
    wait_until(lambda: stream.read() == b"")


def test_plain_writing_takes_what_the_system_takes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    stream = PlainStream(pair[0])
    block = bytes(1 << 20)
    while stream.write(block):
        pass
    assert stream.write(b"x") == 0


def test_plain_half_close(pair: tuple[socket.socket, socket.socket]) -> None:
    stream = PlainStream(pair[0])
    stream.shutdown_write()
    assert pair[1].recv(1) == b""
    pair[1].send(b"still")
    wait_until(lambda: stream.read() == b"still")


def test_a_plain_abort_is_a_reset(pair: tuple[socket.socket, socket.socket]) -> None:
    PlainStream(pair[0]).abort()
    with pytest.raises(ConnectionResetError):
        pair[1].recv(1)


def test_a_plain_reset_is_a_loss(pair: tuple[socket.socket, socket.socket]) -> None:
    stream = PlainStream(pair[0])
    PlainStream(pair[1]).abort()
    with pytest.raises(ConnectionLost):
        wait_until(lambda: stream.read() is not None)


def test_an_abort_works_on_a_unix_socket() -> None:
    ours, theirs = socket.socketpair()
    PlainStream(ours).abort()
    assert theirs.recv(1) == b""
    theirs.close()


@pytest.fixture(params=["OpenSSL's calls", "pyOpenSSL's methods"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that is said of a TLS stream holds with pyOpenSSL's private names and without them."""
    way: str = request.param
    if way != "OpenSSL's calls":
        monkeypatch.setattr(stream_module, "handle_of", lambda connection: None)
    return way


class Tls:
    """A client stream whose server runs a script."""

    def __init__(self, script: Script, *, buffer: int | None = None) -> None:
        authority = Authority()
        context = server_context(authority.issue("localhost"), authority)
        self.upstream = ScriptedUpstream(context, script, receive_buffer=buffer)
        leaf = authority.issue("spiffe://acme.example/x")
        identity = IdentitySpec(
            generation=1,
            key_pem=leaf.key_pem,
            chain_pem=leaf.chain_pem,
            spiffe_id="",
            not_after=0,
        )
        self.socket = socket.create_connection(("127.0.0.1", self.upstream.port))
        self.socket.setblocking(False)
        trust = TlsSpec(server_name="localhost", peers=(), bundle_pem=authority.pem)
        tls = SSL.Connection(client_context(load_material(identity), trust), self.socket)
        tls.set_connect_state()
        self.stream = TlsStream(self.socket, tls)

    def __enter__(self) -> TlsStream:
        wait_until(self.stream.handshake)
        return self.stream

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.upstream.close()


def _read_something(stream: TlsStream) -> bytes:
    got: list[bytes | None] = []

    def arrived() -> bool:
        got.append(stream.read())
        return got[-1] is not None

    wait_until(arrived)
    return got[-1] or b""


def test_tls_both_ways_and_a_farewell() -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(conversation.read_exactly(5)[::-1])
        conversation.close()

    with Tls(script) as stream:
        assert stream.write(b"hello") == 5
        assert _read_something(stream) == b"olleh"
        assert _read_something(stream) == b""


def test_one_read_is_at_most_one_record_and_leaves_nothing_behind() -> None:
    with Tls(lambda conversation: conversation.send(bytes(3 * RECORD))) as stream:
        for _ in range(3):
            assert len(_read_something(stream)) == RECORD
            assert stream.connection.pending() == 0


def test_a_cut_is_no_end() -> None:
    with Tls(Conversation.cut) as stream, pytest.raises(ConnectionLost, match="farewell"):
        _read_something(stream)


def test_a_large_write_is_taken_in_part_and_can_be_continued() -> None:
    go = threading.Event()
    total = 8 << 20

    def script(conversation: Conversation) -> None:
        assert go.wait(5)
        conversation.read_exactly(total)
        conversation.send(b"all")
        conversation.wait_gone()

    with Tls(script, buffer=65_536) as stream:
        data = bytes(total)
        written = stream.write(data)
        assert 0 < written < total
        while taken := stream.write(data[written:]):
            written += taken
        assert written < total
        go.set()
        rest = data[written:]

        def offered() -> bool:
            nonlocal rest
            rest = rest[stream.write(rest) :] if rest else rest
            return not rest

        wait_until(offered)
        assert _read_something(stream) == b"all"


def test_a_tls_half_close_leaves_reading_open() -> None:
    def script(conversation: Conversation) -> None:
        assert conversation.read() == b""
        conversation.send(b"still here")
        conversation.wait_gone()

    with Tls(script) as stream:
        stream.shutdown_write()
        assert _read_something(stream) == b"still here"


def test_a_farewell_that_the_system_does_not_take_is_said_later() -> None:
    go = threading.Event()
    filling = b"!" * 65_536
    arrived: list[bytes] = []

    def script(conversation: Conversation) -> None:
        assert go.wait(5)
        with suppress(ConnectionResetError):
            while data := conversation.socket.recv(1 << 20):
                arrived.append(data)

    tls = Tls(script, buffer=65_536)
    with tls as stream:
        with suppress(BlockingIOError):
            while True:
                tls.socket.send(filling)
        assert not stream.shutdown_write()
        go.set()
        wait_until(stream.shutdown_write)
        wait_until(lambda: bool(arrived) and not arrived[-1].endswith(b"!"))
    assert b"".join(arrived).lstrip(b"!").startswith(b"\x17\x03\x03"), "a record: the alert"


@pytest.mark.parametrize(("end", "seen"), [("close", "closed"), ("abort", "reset")])
def test_how_the_server_sees_our_end(end: str, seen: str) -> None:
    ends: list[str] = []

    def script(conversation: Conversation) -> None:
        conversation.send(b"x")
        ends.append(conversation.wait_gone())

    with Tls(script) as stream:
        _read_something(stream)
        getattr(stream, end)()
        wait_until(lambda: bool(ends))
    assert ends == [seen]


def test_a_peer_whose_record_is_bad_gets_the_alert() -> None:
    ends: list[bytes] = []

    def script(conversation: Conversation) -> None:
        # Below TLS, and more than is read before it is found out.
        with socket.socket(fileno=os.dup(conversation.socket.fileno())) as below:
            below.settimeout(20)
            below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32) + bytes(10_000))
            got = b""
            while data := below.recv(4096):
                got += data
            ends.append(got)

    with Tls(script) as stream:
        with pytest.raises(ConnectionLost) as caught:
            wait_until(lambda: stream.read() is not None)
        assert caught.value.alert is None
        stream.abort()
        wait_until(lambda: bool(ends))
    assert ends[0].startswith(b"\x17\x03\x03"), "a record: the alert"
