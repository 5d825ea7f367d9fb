"""TLS messages without end hold nobody up, and odd records do no harm."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, client_context, server_context
from tests.fakes.local_agent import CALLER, ingress_to, local_agent
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import Conversation, Gone, answering, echo, response
from tests.fakes.tls_records import APPLICATION_DATA, HANDSHAKE, RecordWriter, logging_keys
from tests.fakes.worker_rig import PEER


def hand_made(here: Lab, authority: Authority, folder: Path) -> Path:
    """Have the upstream's records made by hand; where the secrets are."""
    log = folder / "keys"
    context = server_context(authority.issue("localhost", PEER), authority)
    here.upstream.context = logging_keys(context, log)
    return log


def wait_end(conversation: Conversation) -> None:
    """Until the connection is gone, whatever still comes."""
    with suppress(OSError):
        while conversation.socket.recv(65_536):
            pass


def writer(conversation: Conversation, log: Path) -> RecordWriter:
    return RecordWriter(conversation.socket, log, side="SERVER")


def test_a_few_key_updates_are_followed(
    lab: StartLab, authority: Authority, tmp_path: Path
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        records = writer(conversation, log)
        for piece in response(b"hello").splitlines(keepends=True):
            records.update_key()
            records.send(APPLICATION_DATA, piece)
        wait_end(conversation)

    here = lab(script)
    log = hand_made(here, authority, tmp_path)
    assert here.connect().get().body == b"hello"


def test_key_updates_without_end_are_cut(
    lab: StartLab, authority: Authority, tmp_path: Path
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        if conversation.number > 1:
            RecordWriter(conversation.socket, log, side="SERVER").send(
                APPLICATION_DATA, response(b"fine")
            )
            wait_end(conversation)
            return
        records = writer(conversation, log)
        try:
            while True:
                records.update_key()
        except OSError:
            raise Gone("cut") from None

    here = lab(script)
    log = hand_made(here, authority, tmp_path)
    flooded = here.connect()
    flooded.send(flooded.head())
    assert flooded.read_response().status == 502
    assert here.connect().get().body == b"fine"
    at_rest(here)


def test_key_updates_of_a_caller_are_cut_too(
    lab: StartLab, authority: Authority, tmp_path: Path
) -> None:
    with local_agent() as port:
        here = lab(answering(echo))
        here.worker.change(**ingress_to(port))
        log = tmp_path / "keys"
        context = logging_keys(client_context(authority.issue(CALLER), authority), log)
        plain = socket.create_connection(("127.0.0.1", here.worker.ports[0]))
        tls = context.wrap_socket(plain)
        with socket.socket(fileno=socket.dup(tls.fileno())) as beneath:
            records = RecordWriter(beneath, log, side="CLIENT")
            with pytest.raises(ConnectionError):
                for _ in range(100_000):
                    records.update_key()
        tls.close()
        host = f"127.0.0.1:{here.worker.ports[0]}"
        again = client_context(authority.issue(CALLER), authority)
        good = again.wrap_socket(socket.create_connection(("127.0.0.1", here.worker.ports[0])))
        with RawClient(good, host) as client:
            assert client.get().status == 200
        at_rest(here)


@pytest.mark.parametrize(("tickets", "status"), [(20, 200), (2000, 502)])
def test_tickets(lab: StartLab, authority: Authority, tickets: int, status: int) -> None:
    here = lab(answering(echo))
    flooding = server_context(authority.issue("localhost", PEER), authority)
    flooding.num_tickets = tickets
    calm, here.upstream.context = here.upstream.context, flooding
    assert here.connect().get().status == status
    here.upstream.context = calm
    assert here.connect().get().status == 200
    at_rest(here)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param(99, b"x", id="an unknown kind"),
        pytest.param(HANDSHAKE, b"\x18\x00\x00\x01\x07", id="a bad key update"),
        pytest.param(HANDSHAKE, b"\x00\x00\x00\x00", id="a HelloRequest"),
        pytest.param(HANDSHAKE, b"\x18\x00\x00\x01", id="half a message"),
        pytest.param(APPLICATION_DATA, b"x" * 16_385, id="too long"),
        pytest.param(21, b"\x02\x50", id="an alert"),
        pytest.param(0, b"", id="nothing but zeros"),
    ],
)
def test_a_record_that_no_server_sends_is_a_502(
    lab: StartLab, authority: Authority, tmp_path: Path, kind: int, content: bytes
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        records = writer(conversation, log)
        records.send(kind, content)
        records.send(APPLICATION_DATA, response(b"too late"))
        wait_end(conversation)

    here = lab(script, limits=LimitsSpec(response_timeout_s=1.0))
    log = hand_made(here, authority, tmp_path)
    assert here.connect().get().status in (502, 504)


def test_empty_records_without_end(lab: StartLab, authority: Authority, tmp_path: Path) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        records = writer(conversation, log)
        try:
            for _ in range(20_000):
                records.send(APPLICATION_DATA, b"")
        except OSError:
            raise Gone("cut") from None

    here = lab(script)
    log = hand_made(here, authority, tmp_path)
    assert here.connect().get().status == 502
    at_rest(here)


def test_a_reset_in_the_middle_of_a_record(
    lab: StartLab, authority: Authority, tmp_path: Path
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(response(b"x" * 5000)[:1000])
        conversation.socket.sendall(b"\x17\x03\x03\x01\x00half of it")
        time.sleep(0.05)
        conversation.reset()

    here = lab(script)
    client = here.connect()
    client.send(client.head())
    assert b"200 OK" in client.read_head()
    assert client.read_to_end().count(b"x") < 5000
    at_rest(here)


def at_rest(here: Lab) -> None:
    """The worker has nothing to do, and does nothing."""
    before = here.worker.cpu()
    time.sleep(0.3)
    assert here.worker.cpu() - before < 0.1
