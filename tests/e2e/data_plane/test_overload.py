"""Limits that are reached: an answer, no spinning, and service again afterwards."""

from __future__ import annotations

import itertools
import json
import resource
import time
from pathlib import Path

from gateway.ipc.snapshot import LimitsSpec
from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import RawClient, Response
from tests.fakes.scripted_upstream import Conversation, answering, echo, response, wait_until


def silent(conversation: Conversation) -> None:
    """Answers `/` and is silent about everything else."""
    while (received := conversation.read_request()) is not None:
        if received.target != "/":
            conversation.wait_gone()
            return
        conversation.send(response(b"ok"))


def busy(here: Lab) -> RawClient:
    """A client whose request is never answered."""
    before = len(here.upstream.requests)
    client = here.connect()
    client.send(client.head("/never"))
    here.upstream.wait_for(lambda seen: len(seen.requests) > before)
    return client


def refused(client: RawClient) -> Response:
    """What a client gets that asks and is refused."""
    client.send(client.head())
    answer = client.read_response()
    assert (answer.status, answer.field("Connection")) == (503, "close")
    assert answer.field("Retry-After")
    assert client.ended()
    return answer


def detail(answer: Response) -> str:
    """The problem's detail."""
    text: str = json.loads(answer.body)["detail"]
    return text


def serves(here: Lab) -> bool:
    """Whether a new client gets an answer of the upstream."""
    client = here.connect()
    client.send(client.head())
    answer = client.read_response()
    client.close()
    return answer.status == 200


def test_one_connection_too_many_gets_503(lab: StartLab) -> None:
    here = lab(silent, limits=LimitsSpec(max_connections=2))
    first, second = busy(here), busy(here)
    assert "max_connections" in detail(refused(here.connect()))
    assert second.is_quiet()
    first.close()
    wait_until(lambda: serves(here))
    lines = here.worker.access_log(2)
    assert [line["reason"] for line in lines][:1] == ["overloaded"]


def test_a_refusal_is_read_by_a_client_that_was_still_sending(lab: StartLab) -> None:
    here = lab(silent, limits=LimitsSpec(max_connections=1))
    holder = busy(here)
    late = here.connect()
    time.sleep(0.1)
    late.send(late.post_bytes(b"x" * 1_000_000))
    assert late.read_response().status == 503
    assert holder.is_quiet()


def test_a_crowd_beyond_the_limit_is_refused_to_the_last(lab: StartLab) -> None:
    here = lab(silent, limits=LimitsSpec(max_connections=1))
    holder = busy(here)
    crowd = [here.connect() for _ in range(200)]
    assert all(client.read_response().status == 503 for client in crowd)
    for client in crowd:
        client.close()
    holder.close()
    wait_until(lambda: serves(here))


def test_idle_connections_make_room_for_new_ones_the_oldest_first(lab: StartLab) -> None:
    here = lab(silent, limits=LimitsSpec(max_connections=3))
    working = busy(here)
    oldest, newest = here.connect(), here.connect()
    assert oldest.get().status == 200
    assert newest.get().status == 200
    assert here.connect().get().status == 200
    assert oldest.ended()
    assert newest.get().status == 200
    assert working.is_quiet()
    assert here.worker.stats().rejected == {"evicted": 1}


def test_half_a_head_makes_room_too(lab: StartLab) -> None:
    here = lab(silent, limits=LimitsSpec(max_connections=4))
    lorises = [here.connect() for _ in range(4)]
    for client in lorises:
        client.send(b"GET / HTTP/1.1\r\nHost: ")
    time.sleep(0.05)
    callers = [here.connect() for _ in lorises]
    assert [client.get().status for client in callers] == [200] * 4
    assert all(client.ended() for client in lorises)


def test_running_out_of_descriptors_is_a_503_that_does_not_spin(lab: StartLab) -> None:
    here = lab(silent, descriptors=48)
    first = here.connect()
    assert first.get().status == 200
    held: list[RawClient] = []
    while len(held) < 40:
        client = here.connect()
        held.append(client)
        client.send(client.head("/never"))
        if not client.is_quiet(0.05):
            break
    assert "descriptors" in detail(held[-1].read_response())
    before = here.worker.cpu()
    time.sleep(0.5)
    assert here.worker.cpu() - before < 0.1
    for client in held:
        client.close()
    wait_until(lambda: serves(here))


def test_whoever_is_let_in_can_be_given_an_upstream(lab: StartLab) -> None:
    """So many descriptors are kept, whatever knocks."""
    here = lab(answering(echo), descriptors=48)
    first = here.connect()
    crowd = [here.connect() for _ in range(60)]
    time.sleep(0.1)
    assert first.ended(), "the crowd came later, but as nobody asks anything the oldest goes"
    client = here.connect()
    assert client.get().status == 200
    for other in crowd:
        other.close()


def spare_descriptors(here: Lab, count: int) -> None:
    """Leave the worker so many, whatever it was started with."""
    used = {int(path.name) for path in Path(f"/proc/{here.worker.pid}/fd").iterdir()}
    free = (number for number in itertools.count() if number not in used)
    beyond = next(itertools.islice(free, count, None))  # the limit is on the numbers themselves
    _, hard = resource.prlimit(here.worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(here.worker.pid, resource.RLIMIT_NOFILE, (beyond, hard))


def test_with_no_descriptor_at_all_it_rests_and_accepts_later(lab: StartLab) -> None:
    here = lab(silent)
    first = here.connect()
    assert first.get().status == 200
    spare_descriptors(here, 0)
    waiting = here.connect()
    waiting.send(waiting.head())
    before = here.worker.cpu()
    assert waiting.is_quiet(1.5)
    assert here.worker.cpu() - before < 0.1
    assert first.get().status == 200, "it goes on meanwhile"
    spare_descriptors(here, 100)
    assert waiting.read_response().status == 200


def test_with_none_left_for_the_upstream_it_is_a_503(lab: StartLab) -> None:
    here = lab(silent)
    spare_descriptors(here, 1)
    client = here.connect()
    answer = client.get()
    assert (answer.status, detail(answer)) == (503, "no socket: EMFILE")
    assert answer.field("Retry-After")
    spare_descriptors(here, 100)
    wait_until(lambda: client.get().status == 200)
