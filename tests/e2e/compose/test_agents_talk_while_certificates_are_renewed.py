"""`docker compose up`: the sample agents talk, and renewals of the certificates fail nothing."""

from __future__ import annotations

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def test_agents_talk_while_certificates_are_renewed(sidecar: Project) -> None:
    done, generation = len(sidecar.rounds()), sidecar.status()["identity"]["generation"]
    renewed = _renewals_of_the_remote_agent(sidecar)
    sidecar.wait("two rounds", lambda: len(sidecar.rounds()) >= done + 2)
    assert sidecar.status()["identity"]["generation"] >= generation + 1
    assert _renewals_of_the_remote_agent(sidecar) >= renewed + 1
    rounds = sidecar.rounds()[done:]
    assert all(line.startswith("tools add, count; ") for line in rounds), rounds
    assert all(line.endswith(" 0 failures") for line in rounds), rounds


def _renewals_of_the_remote_agent(project: Project) -> int:
    return sum("identity generation" in line for line in project.logs("remote-agent"))
