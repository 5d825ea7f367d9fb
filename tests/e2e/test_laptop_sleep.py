"""A laptop sleeps past the certificate's end: the first request waits for one shared renewal."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.conftest import StartStack
from tests.fakes.scripted_upstream import wait_until


def test_no_request_fails_after_waking(start_stack: StartStack) -> None:
    stack = start_stack(life_s=10)
    gateway = stack.gateway
    gateway.start()
    gateway.until_ready()
    # With a client that was served already: its upstream connection is the old certificate's.
    assert gateway.request("POST", "/echo", body=b"before")[0] == 200
    before = gateway.status()["identity"]
    address = gateway.address()
    # The process that asks the keychain for the journal's key is there for a moment only.
    wait_until(lambda: len(gateway.pids()) == 2, 20)
    processes = gateway.pids()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(10.5)
    with ThreadPoolExecutor(8) as agents:
        replies = [
            agents.submit(gateway.request, "POST", "/echo", at=address, body=b"after")
            for _ in range(8)
        ]
        # The worker wakes first, and finds the certificate expired before anybody renewed it.
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)
        assert Counter(reply.result()[0] for reply in replies) == {200: 8}
    after = gateway.until_ready()
    assert after["identity"]["serial"] != before["serial"]
    # On a busy machine the next renewal may have come already.
    assert after["identity"]["generation"] in (before["generation"] + 1, before["generation"] + 2)
    assert after["workers"][0]["restarts"] == 0
