"""`Via` names the gateway in each request that it passes on (RFC 9110 section 7.6.3)."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.scripted_upstream import answering, echo


def passed_by(request: bytes) -> list[bytes]:
    """The values of `Via`, in order."""
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [line[5:] for line in lines if line.lower().startswith(b"via: ")]


@pytest.mark.parametrize("minor", [0, 1])
def test_it_says_by_what_version_the_request_came(lab: StartLab, minor: int) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(client.head(minor=minor))
    client.read_response()
    assert passed_by(here.upstream.requests[0].head) == [b"1.%d devwiz-gw" % minor]


def test_it_stands_behind_what_others_said(lab: StartLab) -> None:
    here = lab(answering(echo))
    client = here.connect()
    client.send(client.head("/", "Via: 1.0 fred", "via: 1.1 p.example.net (Apache)"))
    client.read_response()
    others = [b"1.0 fred", b"1.1 p.example.net (Apache)"]
    assert passed_by(here.upstream.requests[0].head) == [*others, b"1.1 devwiz-gw"]


def test_a_route_s_own_stands_in_its_place(lab: StartLab) -> None:
    here = lab(answering(echo), headers=(("Via", "1.1 planner-team"),))
    client = here.connect()
    client.send(client.head("/", "Via: 1.0 fred"))
    client.read_response()
    assert passed_by(here.upstream.requests[0].head) == [b"1.1 planner-team"]
