"""A worker whose supervisor is gone ends: nobody could renew its identity or stop it."""

from __future__ import annotations

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import fixed, response


def test_the_worker_ends_with_its_link(lab: StartLab) -> None:
    here = lab(fixed(response()))
    client = here.connect()
    assert client.get().status == 200
    here.worker.cut_link()
    assert here.worker.wait_exit() == 0
    assert client.ended()
