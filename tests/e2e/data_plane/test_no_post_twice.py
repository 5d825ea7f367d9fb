"""An upstream that closes kept connections at any moment sees no POST twice, and no answer is
another request's.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.raw_client import Truncated
from tests.fakes.scripted_upstream import Conversation, Script, response

CLIENTS, POSTS = 6, 60
#: How long the upstream keeps an idle connection: about as long as a client rests.
KEPT_S = 0.004


def fickle(rng: random.Random) -> Script:
    """An upstream's script: each connection ends in one of all ways, sooner or later."""
    lock = threading.Lock()

    def dice() -> float:
        with lock:
            return rng.random()

    def script(conversation: Conversation) -> None:
        while (received := conversation.read_request()) is not None:
            fate = dice()
            if fate < 0.05:
                return conversation.reset()
            if fate < 0.1:
                return conversation.cut()
            answer = response(received.body)
            if fate < 0.15:
                conversation.send(answer[: int(len(answer) * dice())])
                return conversation.reset()
            conversation.send(answer)
            if fate < 0.5:
                time.sleep(KEPT_S * 2 * dice())
                return conversation.close() if fate < 0.4 else conversation.reset()
        return None

    return script


class Poster:
    """One client; notes which of its bodies were answered, and with what."""

    def __init__(self, here: Lab, name: str, rng: random.Random) -> None:
        self._here = here
        self._name = name
        self._rng = rng
        self.answers: dict[bytes, bytes] = {}
        self.failures = 0

    def run(self) -> None:
        client = self._here.worker.connect()
        for number in range(POSTS):
            body = f"{self._name}-{number}".encode()
            time.sleep(KEPT_S * 2 * self._rng.random())
            try:
                answer = client.post(body)
            except (Truncated, ConnectionError):
                self.failures += 1
                client.close()
                client = self._here.worker.connect()
                continue
            if answer.status == 200:
                self.answers[body] = answer.body
            else:
                assert answer.status == 502
                self.failures += 1
        client.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_ledger_has_each_once(lab: StartLab, seed: int) -> None:
    here = lab(fickle(random.Random(seed)))
    posters = [Poster(here, f"client{n}", random.Random(100 * seed + n)) for n in range(CLIENTS)]
    threads = [threading.Thread(target=poster.run) for poster in posters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = Counter(received.body for received in here.upstream.requests)
    assert set(ledger.values()) == {1}
    assert len(ledger) <= CLIENTS * POSTS
    for poster in posters:
        assert poster.answers.keys() <= ledger.keys()
        assert all(body == answer for body, answer in poster.answers.items())
        assert poster.answers
        assert len(poster.answers) + poster.failures == POSTS
