"""kill -9 of a worker: it is replaced, the port stays open and the totals don't go down."""

from __future__ import annotations

import os
import select
import signal

from tests.fakes.gateway_process import GatewayProcess


def test_the_next_request_is_served(gateway: GatewayProcess) -> None:
    gateway.start()
    before = gateway.until_ready()["workers"][0]
    assert gateway.request("POST", body=b"a") == (200, b"a")
    assert gateway.status()["routes"][0]["requests"] == {"200": 1}
    os.kill(before["pid"], signal.SIGKILL)
    assert gateway.request("POST", body=b"b") == (200, b"b")
    after = gateway.until(lambda body: body["routes"][0]["requests"] == {"200": 2})
    assert after["workers"][0]["pid"] != before["pid"]
    assert after["workers"][0]["restarts"] == 1
    assert after["identity"]["generation"] == 1


def test_workers_do_not_outlive_the_supervisor(gateway: GatewayProcess) -> None:
    gateway.start()
    worker = gateway.until_ready()["workers"][0]["pid"]
    descriptor = os.pidfd_open(worker)
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(10_000)
    os.close(descriptor)
