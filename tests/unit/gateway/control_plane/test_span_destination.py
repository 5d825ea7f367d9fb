from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.model import TELEMETRY, Config, HeaderTemplate, TelemetryConfig
from gateway.control_plane.snapshots import Attached
from gateway.control_plane.span_destination import span_destination
from gateway.telemetry.spans import Destination, Target
from tests.fakes import configs

TOKEN = HeaderTemplate("Authorization", ("Bearer ", "otlp-token", ""))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    telemetry = TelemetryConfig(otlp_endpoint="https://c", sample_ratio=0.5, otlp_headers=(TOKEN,))
    away = configs.route(upstream_host="planner.example.com", upstream_port=443)
    return configs.config(tmp_path, away, telemetry=telemetry)


def test_none_is_the_usual() -> None:
    assert span_destination(configs.config(Path("/nowhere")), {}) is None


def test_headers_come_from_the_feed(config: Config) -> None:
    attached = {TELEMETRY: Attached(headers=(("Authorization", "Bearer t"),), redact=("t",))}
    assert span_destination(config, attached) == Destination(
        endpoint="https://c",
        headers=(("Authorization", "Bearer t"),),
        ratio=0.5,
        targets={
            "planner": Target(
                url="https://planner.example.com", address="planner.example.com", port=443
            )
        },
    )


def test_without_its_secret_it_has_to_wait(config: Config) -> None:
    waiting = span_destination(config, {})
    assert waiting is not None
    assert waiting.unavailable == "its secrets are still being read"
    missing = span_destination(config, {TELEMETRY: Attached(unavailable="not set")})
    assert missing is not None
    assert (missing.unavailable, missing.headers) == ("not set", ())


def test_without_headers_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    telemetry = TelemetryConfig(otlp_endpoint="http://127.0.0.1:4318")
    destination = span_destination(configs.config(tmp_path, telemetry=telemetry), {})
    assert destination is not None
    assert destination.unavailable == ""
