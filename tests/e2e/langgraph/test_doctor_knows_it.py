"""Doctor finds the real server behind two gateways, and what it speaks."""

from __future__ import annotations

import pytest

from tests.e2e.doctor.conftest import doctor
from tests.e2e.langgraph.conftest import LangGraph

pytestmark = pytest.mark.program("langgraph")


def test_it_is_found(langgraph: LangGraph) -> None:
    report = doctor(langgraph.gateways.near)
    assert report.code == 0, report.findings
    assert report.at("accepted")["result"] == "pass"
    spoken = [item["detail"] for item in report.all("protocol")]
    assert "LangGraph: /ok says that all is well" in spoken
