"""The program that `client print` gives for A2A finds the agent through the gateway."""

from __future__ import annotations

import pytest

from gateway.clients.access import Access
from gateway.clients.formats import FORMATS
from tests.e2e.a2a.conftest import A2a
from tests.fakes.a2a_server import run_program


def run(stage: A2a, token: str = "") -> None:
    access = Access(route="outbound", url=stage.url, token=token)
    done = run_program(stage.environment, FORMATS["a2a"].text(access))
    assert done.returncode == 0, done.stderr
    assert "Client object" in done.stdout
    assert "planner" in done.stdout
    assert f"{stage.url}/a2a" in done.stdout


@pytest.mark.program("a2a")
@pytest.mark.parametrize("token", ["", "dwgw_0123456789abcdef"], ids=["open", "guarded"])
def test_with_the_newer_sdk(a2a: A2a, token: str) -> None:
    run(a2a, token)


@pytest.mark.program("a2a-0.3")
def test_with_the_older_one(older_a2a: A2a) -> None:
    run(older_a2a)
