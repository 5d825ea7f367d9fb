"""A server that breaks the handshake, message by message: each time a 502 that says so, at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from resource import getpagesize
from typing import Final

import pytest

from gateway.ipc.snapshot import LimitsSpec
from tests.fakes.authority import Authority
from tests.fakes.hostile_handshakes import (
    ENDED,
    SILENT,
    WRONG,
    Attack,
    HostileServer,
    flight,
    repeated_chain,
)
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.worker_rig import PEER, WorkerRig

#: An alert, in the clear or sealed.
ALERTED: Final = re.compile(rb"\x15\x03.\x00\x02\x02|\x17\x03\x03\x00\x13", re.DOTALL)


class Stage:
    """A worker in front of a hostile server."""

    def __init__(self, server: HostileServer, worker: WorkerRig) -> None:
        self.server = server
        self.worker = worker

    def problem(self, attack: Attack) -> tuple[int, str, str]:
        """What a client is answered: status, reason, and what happened."""
        self.server.attack = attack
        self.server.heard.clear()
        with self.worker.connect() as client:
            answer = client.get()
        told = json.loads(answer.body)
        return answer.status, told["type"].rpartition(":")[2], told["detail"]


@pytest.fixture(scope="module")
def stage(authority: Authority) -> Iterator[Stage]:
    limits = LimitsSpec(connect_timeout_s=0.5, response_timeout_s=0.5)
    with (
        HostileServer(authority.issue("localhost", PEER)) as server,
        WorkerRig(authority, [server.port], limits=limits) as worker,
    ):
        yield Stage(server, worker)


def test_the_server_can_also_be_honest(stage: Stage) -> None:
    assert stage.problem(flight())[:2] == (504, "response_timeout")


def test_a_chain_may_hold_more_than_it_needs(stage: Stage) -> None:
    crowded = flight(certificate=lambda made: repeated_chain(made, 20))
    assert stage.problem(crowded)[:2] == (504, "response_timeout")


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_the_rules_is_refused(stage: Stage, name: str) -> None:
    status, reason, detail = stage.problem(WRONG[name])
    assert (status, reason) == (502, "tls_failed"), detail
    # Where the server is still speaking, its bytes may cost it the alert.
    wait_until(lambda: bool(stage.server.heard))
    if name.startswith("ServerHello"):
        assert ALERTED.search(stage.server.heard[0])


@pytest.mark.parametrize(
    ("attack", "detail"),
    [
        (WRONG["records: HTTP"], "the server speaks something else than TLS"),
        (WRONG["ServerHello: TLS 1.2, downgraded"], "the server does not speak TLS 1.3"),
        (ENDED["a farewell behind its request"], "the server closed the connection during the h"),
        (ENDED["a close behind its request"], "the server closed the connection during the h"),
    ],
)
def test_what_people_meet_is_told_in_their_words(stage: Stage, attack: Attack, detail: str) -> None:
    assert stage.problem(attack)[2].startswith(detail)


def test_none_of_it_is_kept(stage: Stage) -> None:
    def cost() -> tuple[int, int]:
        pages = int(Path(f"/proc/{stage.worker.pid}/statm").read_text().split()[1])
        return len(list(Path(f"/proc/{stage.worker.pid}/fd").iterdir())), pages * getpagesize()

    floods = [it for name, it in WRONG.items() if re.search("end|times|[KM]iB", name)]
    assert len(floods) > 4
    for flood in floods:
        stage.problem(flood)
    files, memory = cost()
    for _ in range(10):
        for flood in floods:
            stage.problem(flood)
    wait_until(lambda: cost()[0] <= files)
    assert cost()[1] - memory < 4 << 20


@pytest.mark.parametrize("name", ENDED)
def test_an_end_is_told(stage: Stage, name: str) -> None:
    status, reason, detail = stage.problem(ENDED[name])
    # A reset may come before the connection was seen to be there.
    told = {"tls_failed", "unreachable"} if name.startswith("a reset") else {"tls_failed"}
    assert status == 502
    assert reason in told, detail


@pytest.mark.parametrize("name", SILENT)
def test_silence_ends_with_its_deadline(stage: Stage, name: str) -> None:
    assert stage.problem(SILENT[name])[:2] == (504, "tls_timeout")
