"""A refused certificate: a request that only reads waits for the next one and is sent once more."""

from __future__ import annotations

import fcntl
import json
import socket
import ssl
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.data_plane.refusals import RENEWAL_WAIT_S
from gateway.ipc.snapshot import IdentitySpec
from tests.components import require_component
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, Leaf, server_context
from tests.fakes.gateway_process import is_refused
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import (
    Conversation,
    answering,
    echo,
    fixed,
    response,
    wait_until,
)
from tests.fakes.stack import free_port
from tests.fakes.worker_rig import PEER, SPIFFE_ID

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a server holds against our first certificate."""

    alert: str
    cause: str
    leaf: Callable[[Authority], Leaf] = lambda authority: authority.issue(SPIFFE_ID)
    context: Callable[[Authority, Leaf], ssl.SSLContext]


def _trusting(authority: Authority, _refused: Leaf) -> ssl.SSLContext:
    return server_context(authority.issue("localhost", PEER), authority)


def _with_crl(authority: Authority, refused: Leaf) -> ssl.SSLContext:
    context = _trusting(authority, refused)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(authority.crl(refused.serial))
        file.flush()
        context.load_verify_locations(file.name)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return context


REFUSALS = [
    Refusal(
        alert="certificate expired",
        cause="expired",
        leaf=lambda authority: authority.issue(SPIFFE_ID, starts=-2 * HOUR, ends=-HOUR),
        context=_trusting,
    ),
    Refusal(alert="certificate revoked", cause="revoked", context=_with_crl),
    Refusal(
        alert="unknown ca",
        cause="does not know the authority",
        leaf=lambda _: Authority().issue(SPIFFE_ID),
        context=_trusting,
    ),
    Refusal(
        alert="bad certificate",
        cause="not valid yet",
        leaf=lambda authority: authority.issue(SPIFFE_ID, starts=HOUR, ends=2 * HOUR),
        context=_trusting,
    ),
]
of_each_kind = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda item: item.alert)


def _refused(here: Lab, authority: Authority, refusal: Refusal = REFUSALS[0]) -> IdentitySpec:
    """Use a certificate that the server refuses; a good one to renew to."""
    good = here.worker.new_identity(3)
    leaf = refusal.leaf(authority)
    # By its own word it is good: no clock of ours may spare it the server's verdict.
    ends = time.time() + 3600
    here.worker.identity = here.worker.new_identity(2, leaf=leaf, not_after=ends)
    here.upstream.context = refusal.context(authority, leaf)
    here.worker.change()
    return good


def _renew(here: Lab, identity: IdentitySpec) -> None:
    here.worker.identity = identity
    here.worker.change()


def _ask(here: Lab, *lines: str, method: str = "GET", body: bytes = b"") -> RawClient:
    client = here.connect()
    length = (f"Content-Length: {len(body)}",) if body else ()
    client.send(client.head("/x", *length, *lines, method=method) + body)
    return client


def _until_refused(here: Lab, times: int = 1) -> None:
    here.upstream.wait_for(lambda upstream: upstream.refused == times)
    wait_until(lambda: len(here.worker.events("late_alert")) > 0)


@of_each_kind
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_reading_request_waits_for_the_next_certificate(
    lab: StartLab, authority: Authority, refusal: Refusal, method: str
) -> None:
    here = lab(answering(echo))
    good = _refused(here, authority, refusal)
    body = b'{"method":"tools/list"}' if method == "POST" else b""
    client = _ask(here, "Mcp-Method: tools/list", method=method, body=body)
    _until_refused(here)
    assert client.is_quiet()
    _renew(here, good)
    answer = client.read_response()
    assert (answer.status, answer.body) == (200, body)
    assert here.upstream.accepted == 2
    (event,) = here.worker.events("late_alert")
    assert (event["alert"], event["generation"]) == (refusal.alert, 2)
    assert refusal.cause in event["cause"]
    assert here.worker.stats().failures == {}


@of_each_kind
def test_a_request_that_acts_is_told_at_once_and_never_repeated(
    lab: StartLab, authority: Authority, refusal: Refusal
) -> None:
    here = lab(answering(echo))
    _refused(here, authority, refusal)
    for lines in ((), ("Mcp-Method: tools/call", "Mcp-Name: pay")):
        answer = _ask(here, *lines, method="POST", body=b"{}").read_response()
        assert answer.status == 502
        assert refusal.cause in json.loads(answer.body)["detail"]
    assert here.upstream.accepted == 2
    assert here.upstream.requests == []


def _unread(sock: socket.socket) -> int:
    """Bytes that came and nobody read."""
    return int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(4)), "little")


def test_a_request_of_which_more_than_the_first_piece_went_up_is_not_sent_again(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    read_on = threading.Event()
    sockets: list[socket.socket] = []

    class Hesitant(Conversation):
        """Answers the client's hello, and looks at its certificate late."""

        def _receive(self) -> None:
            if self.socket in sockets:
                assert read_on.wait(10)
            sockets.append(self.socket)
            super()._receive()

    here.upstream.conversation = Hesitant
    _refused(here, authority)
    client = here.connect()
    lines = ("Mcp-Method: tools/list", "Content-Length: 40000")
    client.send(client.head("/x", *lines, method="POST") + b"x" * 100)
    wait_until(lambda: sum(here.worker.stats().handshakes.values()) == 1)
    client.send(b"x" * 20_000)
    wait_until(lambda: _unread(sockets[0]) > 20_000)
    read_on.set()
    answer = client.read_response()
    assert answer.status == 502
    assert "expired" in json.loads(answer.body)["detail"]
    assert here.upstream.accepted == 1


def test_the_supervisor_is_asked_once_however_many_are_refused(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    good = _refused(here, authority)
    clients = [_ask(here) for _ in range(20)]
    _until_refused(here, 20)
    late = _ask(here)
    _until_refused(here, 21)
    assert len(here.worker.events("late_alert")) == 1
    _renew(here, good)
    assert [client.read_response().status for client in [*clients, late]] == [200] * 21
    assert len(here.worker.events("late_alert")) == 1


def test_when_the_next_certificate_is_refused_too_all_are_told_at_once(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    _refused(here, authority, REFUSALS[2])
    waiting = [_ask(here) for _ in range(3)]
    _until_refused(here, 3)
    here.worker.identity = here.worker.new_identity(3, leaf=Authority().issue(SPIFFE_ID))
    since = time.monotonic()
    here.worker.change()
    assert [client.read_response().status for client in waiting] == [502] * 3
    for _ in range(3):
        assert here.connect().get().status == 502
    assert time.monotonic() - since < 2
    assert [event["generation"] for event in here.worker.events("late_alert")] == [2, 3]


def test_after_an_accepted_certificate_a_refused_one_is_worth_a_wait_again(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(fixed(response(b"ok", "Connection: close")))
    good = _refused(here, authority)
    client = _ask(here)
    _until_refused(here)
    _renew(here, good)
    assert client.read_response().status == 200
    bad = here.worker.new_identity(4, leaf=REFUSALS[0].leaf(authority), not_after=time.time() + 60)
    _renew(here, bad)
    client = _ask(here)
    _until_refused(here, 2)
    assert client.is_quiet()
    _renew(here, here.worker.new_identity(5))
    assert client.read_response().status == 200


@pytest.mark.timeout(30)
def test_the_wait_has_an_end(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    _refused(here, authority)
    since = time.monotonic()
    answer = _ask(here).read_response()
    assert answer.status == 502
    assert "expired" in json.loads(answer.body)["detail"]
    assert RENEWAL_WAIT_S - 0.1 < time.monotonic() - since < RENEWAL_WAIT_S + 1.5
    assert _ask(here).read_response().status == 502
    assert time.monotonic() - since < RENEWAL_WAIT_S + 2, "the renewal did not come"


def test_bytes_as_they_are_are_cut_with_the_cause_and_go_with_the_next_certificate(
    lab: StartLab, authority: Authority
) -> None:
    def parrot(conversation: Conversation) -> None:
        while data := conversation.read():
            conversation.send(data)

    here = lab(parrot, route={"kind": "tcp", "tls": {"alpn": ()}})
    good = _refused(here, authority)
    client = here.connect()
    client.send(b"hello")
    with pytest.raises(ConnectionResetError):
        client.read_exactly(1)
    (line,) = here.worker.access_log(1)
    assert line["reason"] == "certificate_refused"
    (event,) = here.worker.events("late_alert")
    assert event["alert"] == "certificate expired"
    stats = here.worker.stats()
    assert stats.failures == {"certificate_refused": 1}
    assert "expired" in stats.last_error
    _renew(here, good)
    client = here.connect()
    client.send(b"hello")
    assert client.read_exactly(5) == b"hello"


def test_a_client_that_waits_may_leave(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    good = _refused(here, authority)
    client = _ask(here)
    _until_refused(here)
    client.close()
    assert here.worker.access_log(1)[0]["reason"] == "client_closed"
    _renew(here, good)
    assert here.connect().get().status == 200
    assert here.upstream.accepted == 2


@contextmanager
def _rsa_only_server(authority: Authority, folder: Path) -> Iterator[int]:
    """OpenSSL's own server, which takes RSA certificates only; its port."""
    leaf = authority.issue("localhost", PEER)
    for name, text in (("s.pem", leaf.key_pem + leaf.chain_pem), ("ca.pem", authority.pem)):
        (folder / name).write_text(text)
    port = free_port()
    command = [require_component("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www"]
    command += ["-tls1_3", "-cert", "s.pem", "-CAfile", "ca.pem", "-Verify", "1", "-quiet"]
    command += ["-verify_return_error", "-client_sigalgs", "RSA-PSS+SHA256", "-naccept", "9"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: not is_refused(("127.0.0.1", port)))
            yield port
        finally:
            process.kill()


def test_a_server_that_got_no_certificate_requires_one(
    lab: StartLab, authority: Authority, tmp_path: Path
) -> None:
    """Ours is of a kind that it doesn't know, so TLS sends none; the next one is."""
    with _rsa_only_server(authority, tmp_path) as port:
        here = lab(answering(echo))
        here.worker.change(upstream={"addresses": (("127.0.0.1", port),)})
        client = _ask(here)
        wait_until(lambda: len(here.worker.events("late_alert")) > 0)
        (event,) = here.worker.events("late_alert")
        assert event["alert"] == "certificate required"
        assert "requires a client certificate" in event["cause"]
        rsa = authority.issue(SPIFFE_ID, kind="rsa")
        _renew(here, here.worker.new_identity(2, leaf=rsa))
        answer = client.read_response()
        assert answer.status == 200
        assert b"s_server" in answer.body


def test_nobody_waits_where_the_certificate_is_too_young_to_be_renewed(
    lab: StartLab, authority: Authority
) -> None:
    here = lab(answering(echo))
    _refused(here, authority)
    assert here.worker.identity is not None
    renewable_at = time.time() + 10 * RENEWAL_WAIT_S
    _renew(here, replace(here.worker.identity, renewable_at=renewable_at))
    answer = _ask(here).read_response()
    assert answer.status == 502
    assert "expired" in json.loads(answer.body)["detail"]
    assert here.worker.stats().retries == {}, "it would have been begun again after the wait"
    (event,) = here.worker.events("late_alert")
    assert event["identity"] == "default"
