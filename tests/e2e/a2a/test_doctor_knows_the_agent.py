"""Doctor tells whether clients that follow the agent's card come through the gateway."""

from __future__ import annotations

import pytest

from tests.e2e.a2a.conftest import A2a
from tests.e2e.doctor.conftest import doctor


@pytest.mark.program("a2a")
def test_a_card_that_is_rewritten_leads_here(a2a: A2a) -> None:
    found = doctor(a2a.gateways.near, "outbound").at("protocol")
    assert found["detail"] == "A2A: the card of 'planner' leads here"


@pytest.mark.program("a2a-0.3")
def test_of_the_older_protocol_too(older_a2a: A2a) -> None:
    found = doctor(older_a2a.gateways.near, "outbound").at("protocol")
    assert found["detail"] == "A2A: the card of 'planner' leads here"
