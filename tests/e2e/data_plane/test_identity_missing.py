"""Without a certificate requests get 503, Retry-After and the reason."""

from __future__ import annotations

import json

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import answering, echo


def test_the_reason_is_told_and_service_begins_with_the_first_identity(lab: StartLab) -> None:
    here = lab(answering(echo), identity=False)
    here.worker.change(reason="the issuer at https://127.0.0.1:8440 refused the connection")
    client = here.connect()
    for _ in range(2):
        answer = client.post(b"work")
        problem = json.loads(answer.body)
        assert (answer.status, problem["stage"]) == (503, "identity")
        assert "8440 refused" in problem["detail"]
        assert int(answer.field("Retry-After") or "0") > 0
    here.worker.rotate()
    assert client.post(b"work").body == b"work"


def test_requests_make_the_supervisor_try_now_and_then(lab: StartLab) -> None:
    here = lab(answering(echo), identity=False)
    client = here.connect()
    for _ in range(5):
        assert client.get().status == 503
    here.worker.wait_for(lambda _: bool(here.worker.events("identity_expired")))
    assert [event["generation"] for event in here.worker.events("identity_expired")] == [0]
    here.worker.rotate()
    assert client.get().status == 200
    assert len(here.worker.events("identity_expired")) == 1


def test_unreadable_material_is_a_reason(lab: StartLab) -> None:
    here = lab(answering(echo))
    assert here.worker.identity is not None
    here.worker.identity = type(here.worker.identity)(
        generation=2, key_pem="nonsense", chain_pem="", spiffe_id="", not_after=4e9
    )
    here.worker.change()
    answer = here.connect().get()
    assert (answer.status, json.loads(answer.body)["stage"]) == (503, "identity")
    here.worker.rotate()
    assert here.connect().get().status == 200


def test_an_unusable_bundle_is_told_and_harms_only_its_route(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.change(tls={"bundle_pem": "nonsense"})
    assert here.connect().get().status == 503
    assert [event["route"] for event in here.worker.events("route_rejected")] == ["planner"]


def test_a_missing_secret_is_named(lab: StartLab) -> None:
    here = lab(answering(echo))
    here.worker.change(unavailable="the secret planner-token is not set")
    answer = here.connect().get()
    problem = json.loads(answer.body)
    assert (answer.status, problem["stage"]) == (503, "route")
    assert problem["detail"] == "the secret planner-token is not set"
    assert here.upstream.accepted == 0
