"""An issuer that nobody reaches, and one with another key than the configured one."""

from __future__ import annotations

from tests.e2e.conftest import StartStack
from tests.e2e.doctor.conftest import doctor


def test_it_is_away(start_stack: StartStack) -> None:
    here = start_stack(issuer_runs=False)
    (here.gateway.folder / "join-token").unlink()
    report = doctor(here.gateway)
    away, spent = report.all("issuer")
    assert away["result"] == "fail"
    assert "can't be reached" in away["detail"]
    assert spent["result"] == "warn"
    assert "join-token can't be read" in spent["detail"]
    # The route has a trust bundle of its own.
    assert report.at("tls")["result"] == "pass"


def test_it_is_another_one(start_stack: StartStack) -> None:
    here = start_stack()
    text = here.gateway.config.read_text()
    here.gateway.write_config(text.replace(here.issuer.ca_pin, "sha256:" + "ab" * 32))
    issuer = doctor(here.gateway).at("issuer")
    assert issuer["result"] == "fail"
    assert "has the key of ca_pin" in issuer["detail"]
