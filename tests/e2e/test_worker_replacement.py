"""`reload --workers`: fresh workers take over, and nobody notices but who looks at `status`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import aiohttp
import pytest

from tests.e2e.conftest import Stack, StartStack
from tests.fakes.agent_server import BLOCK
from tests.fakes.gateway_process import is_refused
from tests.fakes.raw_client import RawClient, Truncated
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import Gateway


def connect(address: str) -> RawClient:
    host, _, port = address.rpartition(":")
    return RawClient(socket.create_connection((host, int(port))), address)


def streaming(address: str, events: int, *, pause: float = 0.02) -> RawClient:
    """A client of a stream that has begun."""
    client = connect(address)
    client.send(client.head(f"/events?count={events}&pause={pause}"))
    client.read_head()
    assert client.read_chunk() == b"data: 0\n\n"
    return client


def rest_of(client: RawClient) -> bytes:
    return b"".join(iter(client.read_chunk, b""))


def states(gateway: Gateway) -> list[str]:
    return [worker["state"] for worker in gateway.status()["workers"]]


def replace_workers(gateway: Gateway, *options: str) -> None:
    told = gateway.command("reload", "--workers", *options)
    assert told.returncode == 0, told.stderr
    assert "fresh workers have taken over" in told.stdout


def started(start_stack: StartStack, limits: str = "", *, life_s: int = 3600) -> Stack:
    stack = start_stack(life_s=life_s)
    stack.gateway.configure(limits=limits, drain_s=5)
    stack.gateway.start()
    stack.gateway.until_ready()
    return stack


def test_streams_uploads_and_websockets_go_on(start_stack: StartStack) -> None:
    stack = started(start_stack)
    gateway, address = stack.gateway, stack.gateway.address()
    (before,) = gateway.worker_pids()
    with streaming(address, 200) as stream, connect(address) as upload:
        upload.send(upload.head("/digest", f"Content-Length: {4 * len(BLOCK)}", method="POST"))
        upload.send(BLOCK)
        asyncio.run(talk(gateway, address))
        assert states(gateway) == ["ready", "retiring"]
        fresh, old = gateway.status()["workers"]
        assert (old["pid"], old["connections"], old["streams"]) == (before, 2, 1)
        assert fresh["pid"] != before
        assert gateway.command("status").returncode == 0, "ready, whatever retires"
        upload.send(3 * BLOCK)
        answer = upload.read_response()
        assert answer.body.decode() == hashlib.sha256(4 * BLOCK).hexdigest()
        assert answer.field("Connection") == "close"
        assert rest_of(stream).endswith(b"data: 199\n\n")
    gateway.until(lambda body: len(body["workers"]) == 1)
    assert gateway.request("POST", "/echo", body=b"x")[0] == 200
    assert [worker["restarts"] for worker in gateway.status()["workers"]] == [0]
    events = [line.get("event") for line in gateway.log()]
    assert "workers_replaced" in events
    assert "worker_died" not in events
    assert [line["action"] for line in gateway.audit()].count("workers.replace") == 1


async def talk(gateway: Gateway, address: str) -> None:
    """A conversation over a WebSocket, in the middle of which the workers are replaced."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://{address}/ws") as web_socket,
    ):
        for number in range(20):
            if number == 10:
                await asyncio.to_thread(replace_workers, gateway)
            await web_socket.send_str(f"message {number}")
            assert await web_socket.receive_str(timeout=10) == f"message {number}"


class Crowd:
    """Clients that ask again and again, over kept connections and over fresh ones.

    Attributes:
        served: requests that were answered with 200.
        problems: whatever else came.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._done = threading.Event()
        self.served = 0
        self.problems: list[object] = []

    def run(self, *, keep: bool) -> None:
        client = connect(self._address)
        while not self._done.is_set():
            try:
                answer = client.post(b"x", "/echo")
            except (OSError, Truncated) as error:
                self.problems.append(error)
                return
            if answer.status != 200:
                self.problems.append(answer)
            self.served += 1
            if not keep or answer.field("Connection") == "close":
                client.close()
                client = connect(self._address)
        client.close()

    @contextmanager
    def busy(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self.run, kwargs={"keep": keep}) for keep in (True, False) * 2
        ]
        for thread in threads:
            thread.start()
        yield
        self._done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_refused_or_lost(start_stack: StartStack, workers: int) -> None:
    stack = started(start_stack, f"workers = {workers}")
    gateway = stack.gateway
    before = set(gateway.worker_pids())
    crowd = Crowd(gateway.address())
    with crowd.busy():
        for _ in range(3):
            served = crowd.served
            replace_workers(gateway)
            wait_until(lambda seen=served: crowd.served > seen + 400, 30)  # type: ignore[misc]
    assert crowd.problems == []
    assert crowd.served > 1200
    gateway.until(lambda body: len(body["workers"]) == workers)
    assert not before & set(gateway.worker_pids())
    counted = gateway.status()["routes"][0]["requests"]
    assert counted == {"200": crowd.served}


def test_connections_in_the_queue_of_a_socket_are_served_by_whom_it_is_passed_to(
    start_stack: StartStack,
) -> None:
    stack = started(start_stack, "workers = 2")
    gateway, address = stack.gateway, stack.gateway.address()
    old = gateway.worker_pids()
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    with ExitStack() as cleanup:
        waiting = [cleanup.enter_context(connect(address)) for _ in range(32)]
        for client in waiting:
            client.send(client.head("/echo"))
        assert all(client.is_quiet(0.01) for client in waiting)
        replaced = gateway.command("reload", "--workers")
        for pid in old:
            os.kill(pid, signal.SIGCONT)
        assert all(client.read_response().status == 200 for client in waiting)
    assert replaced.returncode == 0, replaced.stderr


def test_a_deadline_cuts_what_is_left(start_stack: StartStack) -> None:
    stack = started(start_stack)
    gateway, address = stack.gateway, stack.gateway.address()
    with streaming(address, 10_000) as first:
        replace_workers(gateway)
        with streaming(address, 10_000) as second:
            assert states(gateway) == ["ready", "retiring"]
            replace_workers(gateway, "--deadline", "0.5")
            for client in (first, second):
                with pytest.raises((Truncated, ConnectionResetError)):
                    rest_of(client)
    gateway.until(lambda body: len(body["workers"]) == 1)


def test_an_old_worker_gets_new_certificates_and_ends_with_the_old_one(
    start_stack: StartStack,
) -> None:
    stack = started(start_stack, life_s=10)
    gateway, address = stack.gateway, stack.gateway.address()
    with connect(address) as client, streaming(address, 10_000) as stream:
        first = gateway.status()["identity"]["serial"]
        replace_workers(gateway)
        gateway.renewed(to=gateway.status()["identity"]["generation"] + 1)
        renewed = gateway.status()["identity"]["serial"]
        assert states(gateway) == ["ready", "retiring"]
        answer = client.get("/echo")
        assert answer.field("Connection") == "close", "it is the old worker that answers"
        assert json.loads(answer.body)["serial"] not in (first, "")
        assert renewed in stack.agent.serials
        with pytest.raises((Truncated, ConnectionResetError)):
            rest_of(stream)
    gateway.until(lambda body: len(body["workers"]) == 1)


def test_a_reload_while_workers_retire_reaches_all(start_stack: StartStack) -> None:
    stack = started(start_stack)
    gateway, address = stack.gateway, stack.gateway.address()
    with streaming(address, 10_000):
        replace_workers(gateway)
        gateway.configure(more=gateway.route("writer", listen="unix:writer.sock"))
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda body: len(body["routes"]) == 2)
        numbers = {worker["snapshot"] for worker in gateway.status()["workers"]}
        assert len(numbers) == 1
        replace_workers(gateway)
        assert states(gateway)[:2] == ["ready", "retiring"]
        assert gateway.request("POST", "/echo", body=b"x")[0] == 200


def test_a_drain_takes_the_retiring_ones_along(start_stack: StartStack) -> None:
    stack = started(start_stack)
    gateway, address = stack.gateway, stack.gateway.address()
    with streaming(address, 100) as stream:
        replace_workers(gateway)
        pids = gateway.pids()
        gateway.signal(signal.SIGTERM)
        assert rest_of(stream).endswith(b"data: 99\n\n"), "it has the time that a drain gives"
        assert gateway.wait()[0] == 0
    assert not [pid for pid in pids if lives(pid)]


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_in_the_middle_of_a_replacement(
    start_stack: StartStack, order: signal.Signals
) -> None:
    stack = started(start_stack)
    gateway = stack.gateway
    begun = set(gateway.pids())
    replacement = threading.Thread(target=gateway.command, args=("reload", "--workers"))
    replacement.start()
    wait_until(lambda: bool(set(gateway.pids()) - begun))
    pids = set(gateway.pids())
    gateway.signal(order)
    replacement.join()
    if order == signal.SIGHUP:
        gateway.until(lambda body: body["state"] == "ready" and len(body["workers"]) == 1)
        assert gateway.request("POST", "/echo", body=b"x")[0] == 200
        gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == (-9 if order == signal.SIGKILL else 0)
    wait_until(lambda: not [pid for pid in pids if lives(pid)])


def test_two_at_once_come_one_after_the_other(start_stack: StartStack) -> None:
    stack = started(start_stack)
    gateway = stack.gateway
    codes: list[int] = []

    def replacement() -> None:
        codes.append(gateway.command("reload", "--workers").returncode)

    threads = [threading.Thread(target=replacement) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    gateway.until(lambda body: len(body["workers"]) == 1)
    address = gateway.address()
    assert gateway.request("POST", "/echo", body=b"x")[0] == 200
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    host, _, port = address.rpartition(":")
    assert is_refused((host, int(port)))


def lives(pid: int) -> bool:
    """Whether there is such a process still."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        time.sleep(0.01)
        return True
    return False
