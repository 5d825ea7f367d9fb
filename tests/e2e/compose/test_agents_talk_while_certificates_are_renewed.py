"""`docker compose up`: the sample agents talk, and renewals of the certificates fail nothing."""

from __future__ import annotations

import pytest

from tests.e2e.compose.conftest import StartProject

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def test_agents_talk_while_certificates_are_renewed(start: StartProject) -> None:
    project = start(life="12s")
    project.up()
    project.wait("two rounds", lambda: len(project.rounds()) >= 2)
    assert project.status()["identity"]["generation"] >= 3
    rounds = project.rounds()
    assert all(line.endswith(" 0 failures") for line in rounds), rounds
    assert all(line.startswith("tools add, count; ") for line in rounds), rounds
    renewed = [line for line in project.logs("remote-agent") if "identity generation" in line]
    assert len(renewed) >= 2, renewed
