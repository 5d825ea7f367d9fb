"""A file that can't be used stops everything that depends on it, and says why."""

from __future__ import annotations

from tests.e2e.doctor.conftest import doctor
from tests.fakes.gateway_process import GatewayProcess

_ALONE = {"configuration", "packages", "proxy"}


def test_the_rest_is_skipped(gateway: GatewayProcess) -> None:
    gateway.configure(more='colour = "blue"\n')
    report = doctor(gateway)
    assert report.failed() == ["configuration"]
    assert "colour" in report.at("configuration")["detail"]
    rest = [item for item in report.findings if item["rung"] not in _ALONE]
    assert {item["result"] for item in rest} == {"skip"}
    assert rest[0]["detail"] == "skipped: because the configuration can't be used"


def test_text_that_is_no_toml(gateway: GatewayProcess) -> None:
    gateway.write_config("project = acme\n")
    assert "not TOML" in doctor(gateway).at("configuration")["detail"]
