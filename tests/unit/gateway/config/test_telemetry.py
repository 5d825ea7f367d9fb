from __future__ import annotations

from typing import Any

import pytest

from gateway.config.model import HeaderTemplate, TcpAddress, TelemetryConfig
from gateway.config.table import Table
from gateway.config.telemetry import read_telemetry
from gateway.errors import ConfigProblem

HERE = "http://127.0.0.1:4318"


def checked(values: dict[str, Any], problems: list[ConfigProblem]) -> TelemetryConfig:
    def take(address: TcpAddress, _key: str) -> str:
        return "routes.planner.listen" if address.port == 8701 else ""

    return read_telemetry(Table(values, "telemetry", problems), project="acme", take=take)


def read(**values: Any) -> TelemetryConfig:
    problems: list[ConfigProblem] = []
    config = checked(values, problems)
    assert problems == []
    return config


def problems_of(**values: Any) -> dict[str, str]:
    problems: list[ConfigProblem] = []
    checked(values, problems)
    return {problem.key: problem.message for problem in problems}


def test_without_the_table_nothing_is_sent() -> None:
    assert read() == TelemetryConfig()


def test_everything_at_once() -> None:
    headers = {"Authorization": "Bearer {secret:otlp-token}", "X-Tenant": "acme"}
    endpoint = "https://collector.example.com:4318/otlp/"
    config = read(otlp_endpoint=endpoint, sample_ratio=0.25, otlp_headers=headers)
    assert config == TelemetryConfig(
        otlp_endpoint="https://collector.example.com:4318/otlp",
        sample_ratio=0.25,
        otlp_headers=(
            HeaderTemplate("Authorization", ("Bearer ", "otlp-token", "")),
            HeaderTemplate("X-Tenant", ("acme",)),
        ),
    )


@pytest.mark.parametrize("endpoint", [HERE, "http://[::1]:4318", "http://collector", "https://c/x"])
def test_endpoints(endpoint: str) -> None:
    assert read(otlp_endpoint=endpoint).otlp_endpoint == endpoint
    assert read(otlp_endpoint=f"{endpoint}/").otlp_endpoint == endpoint


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("127.0.0.1:4318", "should start with http:// or https://"),
        ("grpc://127.0.0.1:4317", "should start with http:// or https://"),
        ("http://me:hush@collector", "holds a user name"),
        ("http://collector?a=b", "holds a query or fragment"),
        ("http://collector#a", "holds a query or fragment"),
        ("http://collector/v1/traces", "ends in /v1/traces"),
        ("http://collector/v1/traces/", "ends in /v1/traces"),
        ("http://collector:0", "is not a port"),
        ("http://collector:65536", "is not a URL"),
        ("http://", "names no host"),
        ("http://[::1", "is not a URL"),
    ],
)
def test_no_endpoints(endpoint: str, why: str) -> None:
    found = problems_of(otlp_endpoint=endpoint)
    assert list(found) == ["telemetry.otlp_endpoint"]
    assert why in found["telemetry.otlp_endpoint"]
    assert "hush" not in str(found)


@pytest.mark.parametrize("ratio", [-0.1, 1.1, "all", True])
def test_a_ratio_is_a_part(ratio: object) -> None:
    assert "telemetry.sample_ratio" in problems_of(sample_ratio=ratio)
    assert read(sample_ratio=0).sample_ratio == 0.0
    assert read(sample_ratio=1).sample_ratio == 1.0


@pytest.mark.parametrize(
    ("endpoint", "refused"),
    [
        ("http://collector.example.com:4318", True),
        ("http://10.0.0.7:4318", True),
        ("http://localhost.example.com", True),
        ("https://collector.example.com", False),
        ("http://127.0.0.1:4318", False),
        ("http://[::1]:4318", False),
        ("http://localhost:4318", False),
    ],
)
def test_no_secret_crosses_a_network_in_plaintext(endpoint: str, *, refused: bool) -> None:
    found = problems_of(otlp_endpoint=endpoint, otlp_headers={"X-Key": "{secret:a}"})
    assert bool(found) is refused
    assert not problems_of(otlp_endpoint=endpoint, otlp_headers={"X-Tenant": "acme"})


def test_headers_of_the_exporter_are_its_own() -> None:
    found = problems_of(otlp_endpoint=HERE, otlp_headers={"content-type": "text/plain"})
    assert found == {"telemetry.otlp_headers.content-type": "is set by the exporter itself"}
    assert problems_of(otlp_endpoint=HERE, otlp_headers={"Host": "x"})


def test_headers_need_somewhere_to_go() -> None:
    assert "telemetry.otlp_headers" in problems_of(otlp_headers={"X-Tenant": "acme"})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", TcpAddress("127.0.0.1", 9464)),
        ("[::1]:9464", TcpAddress("::1", 9464)),
    ],
)
def test_metrics_may_be_on_a_port_of_this_machine(text: str, address: TcpAddress) -> None:
    assert read(metrics_listen=text).metrics_listen == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0.0.0:9464", "is not a loopback address"),
        ("10.0.0.7:9464", "is not a loopback address"),
        ("127.0.0.2:9464", "is not a loopback address"),
        ("localhost:9464", "is not a loopback address"),
        ("127.0.0.1:0", "is not a port"),
        ("127.0.0.1", "is not HOST:PORT"),
        ("unix:m.sock", "is not HOST:PORT"),
        ("127.0.0.1:8701", "is taken by routes.planner.listen"),
    ],
)
def test_and_nowhere_else(text: str, why: str) -> None:
    assert why in problems_of(metrics_listen=text)["telemetry.metrics_listen"]


def test_an_unknown_key_is_named() -> None:
    assert problems_of(otlp_endpoit=HERE) == {"telemetry.otlp_endpoit": "unknown key"}
