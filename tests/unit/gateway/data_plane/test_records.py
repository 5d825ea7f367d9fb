"""The private names of pyOpenSSL that reading and writing go by, and what happens without them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from OpenSSL import SSL

from gateway.data_plane import records
from gateway.data_plane.records import RECORD, handle_of, read_record, write_records
from gateway.data_plane.tls import client_context, load_material, server_context
from gateway.ipc.snapshot import IdentitySpec, TlsSpec
from tests.fakes.authority import Authority


@pytest.fixture(scope="module")
def contexts() -> tuple[SSL.Context, SSL.Context]:
    authority = Authority()
    leaf = authority.issue("spiffe://acme.example/x")
    identity = IdentitySpec(
        generation=1, key_pem=leaf.key_pem, chain_pem=leaf.chain_pem, spiffe_id="", not_after=0
    )
    trust = TlsSpec(server_name="", peers=(), bundle_pem=authority.pem)
    material = load_material(identity)
    return client_context(material, trust), server_context(material, trust)


@pytest.fixture
def pair(contexts: tuple[SSL.Context, SSL.Context]) -> Iterator[tuple[SSL.Connection, ...]]:
    """Both ends of a connection, shaken hands and without anything to read."""
    sockets = socket.socketpair()
    for sock in sockets:
        sock.setblocking(False)
    ours, theirs = map(SSL.Connection, contexts, sockets)
    ours.set_connect_state()
    theirs.set_accept_state()
    waiting = [ours, theirs]
    while waiting:
        try:
            waiting[0].do_handshake()
            waiting.pop(0)
        except SSL.WantReadError:
            waiting.reverse()
    assert read_record(ours, handle_of(ours)) is None
    yield ours, theirs
    for sock in sockets:
        sock.close()


def test_the_installed_pyopenssl_has_the_names(pair: tuple[SSL.Connection, ...]) -> None:
    assert all(handle_of(connection) is not None for connection in pair)


@pytest.mark.parametrize("name", ["_ssl_read", "_ssl_write", "_ssl_get_error"])
def test_without_a_call_there_is_no_handle(
    pair: tuple[SSL.Connection, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, name, None)
    assert handle_of(pair[0]) is None


def test_the_numbers_of_openssl_are_as_written_down() -> None:
    library = records._binding.lib
    assert records._WANT == (library.SSL_ERROR_WANT_READ, library.SSL_ERROR_WANT_WRITE)


def test_nothing_yet_is_none_and_raises_nothing(pair: tuple[SSL.Connection, ...]) -> None:
    ours, theirs = pair
    assert read_record(ours, handle_of(ours)) is None
    theirs.send(b"x")
    assert read_record(ours, handle_of(ours)) == b"x"
    assert read_record(ours, handle_of(ours)) is None


def test_what_was_read_stays_when_more_is_read(pair: tuple[SSL.Connection, ...]) -> None:
    ours, theirs = pair
    theirs.send(b"a" * 100)
    theirs.send(b"b" * 200)
    first, second = read_record(ours, handle_of(ours)), read_record(ours, handle_of(ours))
    assert (first, second) == (b"a" * 100, b"b" * 200)


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD + 7])
def test_each_byte_is_written_in_its_place(pair: tuple[SSL.Connection, ...], size: int) -> None:
    ours, theirs = pair
    data = bytes(range(251)) * (size // 251 + 1)
    assert write_records(ours, handle_of(ours), data[:size]) == size
    got = b""
    while len(got) < size:
        got += theirs.recv(RECORD)
    assert got == data[:size]


def test_a_farewell_and_a_cut_are_told_as_pyopenssl_tells_them(
    pair: tuple[SSL.Connection, ...],
) -> None:
    ours, theirs = pair
    theirs.shutdown()
    with pytest.raises(SSL.ZeroReturnError):
        read_record(ours, handle_of(ours))
    ours.sock_shutdown(socket.SHUT_RDWR)
    with pytest.raises(SSL.SysCallError):
        read_record(theirs, handle_of(theirs))
    with pytest.raises(SSL.Error):
        write_records(ours, handle_of(ours), b"x")
