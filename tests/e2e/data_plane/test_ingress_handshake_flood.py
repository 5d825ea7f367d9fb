"""A crowd that begins handshakes and never ends them doesn't keep a good caller out."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, client_context
from tests.fakes.local_agent import CALLER, ingress_to, local_agent
from tests.fakes.raw_client import RawClient
from tests.fakes.scripted_upstream import answering, echo, wait_until

LIMITS = LimitsSpec(max_handshakes=8, connect_timeout_s=30)


@contextmanager
def ingress(lab: StartLab, limits: LimitsSpec) -> Iterator[Lab]:
    """A worker whose route is an ingress in front of an agent."""
    with local_agent() as port:
        here = lab(answering(echo), limits=limits)
        here.worker.change(**ingress_to(port))
        yield here


def call(here: Lab, authority: Authority) -> int:
    """One request of a good caller; the status."""
    context = client_context(authority.issue(CALLER), authority)
    plain = socket.create_connection(("127.0.0.1", here.worker.ports[0]))
    tls = context.wrap_socket(plain)
    with RawClient(tls, f"127.0.0.1:{here.worker.ports[0]}") as client:
        return client.get().status


def test_the_oldest_give_way(lab: StartLab, authority: Authority) -> None:
    with ingress(lab, LIMITS) as here:
        crowd = [here.connect() for _ in range(50)]
        for client in crowd[::2]:
            with suppress(ConnectionError):
                client.send(b"\x16\x03\x01\x02\x00\x01")
        assert call(here, authority) == 200
        assert crowd[0].ended()
        wait_until(lambda: here.worker.worker_stats().open_connections <= LIMITS.max_handshakes)
        failures = here.worker.stats().handshake_failures
        assert failures["handshake_failed"] >= 50 - LIMITS.max_handshakes
        before = here.worker.cpu()
        time.sleep(0.5)
        assert here.worker.cpu() - before < 0.1


def test_a_handshake_has_a_deadline(lab: StartLab, authority: Authority) -> None:
    with ingress(lab, LimitsSpec(connect_timeout_s=0.2)) as here:
        silent = here.connect()
        slow = here.connect()
        slow.send(b"\x16")
        assert silent.ended()
        assert slow.ended()
        assert call(here, authority) == 200


def test_noise_is_hung_up_on_at_once(lab: StartLab, authority: Authority) -> None:
    with ingress(lab, LIMITS) as here:
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, ssl.RAND_bytes(1000)):
            client = here.connect()
            client.send(noise)
            assert client.ended()
        assert call(here, authority) == 200
