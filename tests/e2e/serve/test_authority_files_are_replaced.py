"""The files of an identity move to another authority under traffic, and no request fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, wait_until


class Both:
    """Whom a server trusts meanwhile."""

    def __init__(self, *authorities: Authority) -> None:
        self.pem = "".join(authority.pem for authority in authorities)


@contextmanager
def traffic(gateway: GatewayProcess) -> Iterator[list[int]]:
    """Requests until the block ends; the statuses of the answers."""
    stop = threading.Event()
    statuses: list[int] = []
    address = gateway.address()

    def work() -> None:
        while not stop.wait(0.01):
            statuses.append(gateway.request("POST", at=address, body=b"x")[0])

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield statuses
    finally:
        stop.set()
        worker.join(15)


def test_old_then_both_then_new(
    gateway: GatewayProcess, upstream: ScriptedUpstream, authority: Authority
) -> None:
    old, new = authority, Authority()
    both = Both(old, new)
    gateway.start()
    gateway.until_ready()

    def trust(whom: Authority | Both, generation: int) -> None:
        fresh = gateway.folder / "ca.new"
        fresh.write_text(whom.pem)
        fresh.rename(gateway.folder / "ca.pem")
        gateway.until(lambda body: body["identity"]["generation"] >= generation)

    with traffic(gateway) as statuses:
        upstream.context = server_context(old.issue("localhost"), both)
        trust(both, 2)
        upstream.context = server_context(new.issue("localhost"), both)
        gateway.use_authority(new)
        gateway.renew_identity()
        gateway.until(lambda body: body["identity"]["generation"] >= 3)
        upstream.context = server_context(new.issue("localhost"), new)
        trust(new, 4)
        before = len(statuses)
        wait_until(lambda: len(statuses) > before + 10)
    assert set(statuses) == {200}
    body = gateway.status()
    assert body["routes"][0]["failures"] == {}
    assert body["reasons"] == []
