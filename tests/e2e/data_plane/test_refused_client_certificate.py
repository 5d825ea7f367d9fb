"""In TLS 1.3 the server's verdict on our certificate comes late; the client is told its cause."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.e2e.data_plane.conftest import Lab, StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import answering, echo
from tests.fakes.worker_rig import PEER, SPIFFE_ID


def _problem(here: Lab) -> dict[str, Any]:
    answer = here.connect().post(b"work", "/secret?token=x")
    assert answer.status == 502
    assert answer.field("Content-Type") == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.body)
    assert problem["stage"] == "certificate"
    assert problem["route"] == "planner"
    assert problem["request_id"] == answer.field("X-Request-Id")
    assert here.upstream.requests == []
    here.upstream.wait_for(lambda upstream: upstream.refused == 1)
    return problem


def test_an_authority_that_the_server_does_not_know(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    here.upstream.context = server_context(authority.issue("localhost", PEER), Authority())
    assert "does not know the authority" in _problem(here)["detail"]
    events = here.worker.events("late_alert")
    assert [(e["alert"], e["generation"], e["route"]) for e in events] == [
        ("unknown ca", 1, "planner")
    ]
    stats = here.worker.stats()
    assert stats.failures == {"certificate_refused": 1}
    assert "unknown ca" in stats.last_error


def test_an_expired_certificate(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    leaf = authority.issue(SPIFFE_ID, starts=timedelta(hours=-2), ends=timedelta(hours=-1))
    good = here.worker.new_identity(2)
    here.worker.identity = replace(good, chain_pem=leaf.chain_pem, key_pem=leaf.key_pem)
    here.worker.change()
    problem = _problem(here)
    assert "expired" in problem["detail"]
    here.worker.identity = replace(good, generation=3)
    here.worker.change()
    assert here.connect().get().status == 200


def test_another_authority_of_the_same_name(lab: StartLab) -> None:
    """A test stack whose authority was made anew."""
    here = lab(answering(echo))
    impostor = Authority(name="twin")
    here.worker.identity = here.worker.new_identity(2, leaf=impostor.issue(SPIFFE_ID))
    here.worker.change()
    here.upstream.context = server_context(impostor.issue("x"), Authority(name="twin"))
    here.worker.change(tls={"bundle_pem": impostor.pem, "peers": ("dns:x",)})
    assert "another authority of the same name" in _problem(here)["detail"]


def test_a_certificate_that_is_not_valid_yet(lab: StartLab, authority: Authority) -> None:
    here = lab(answering(echo))
    leaf = authority.issue(SPIFFE_ID, starts=timedelta(hours=1), ends=timedelta(hours=2))
    good = here.worker.new_identity(2)
    here.worker.identity = replace(good, chain_pem=leaf.chain_pem, key_pem=leaf.key_pem)
    here.worker.change()
    assert "not valid yet" in _problem(here)["detail"]
