"""A gateway that runs, and whether it is the one that the file describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load
from gateway.config.model import Config
from gateway.doctor.running import ask, judge
from gateway.errors import GatewayError, NotRunning

_CONFIG = """
project = "acme"
[identity]
source = "files"
[identity.files]
certificate = "c"
private_key = "k"
trust_bundle = "b"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "devwiz-gw.toml"
    file.touch(0o600)
    file.write_text(_CONFIG)
    return load(file)


def _status(served: Config, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "1",
        "pid": 7,
        "state": "ready",
        "reasons": [],
        "config": str(served.path),
        "routes": [{"name": "planner"}],
    } | more


def test_it_is(config: Config) -> None:
    found = judge(_status(config, {}), config, "1")
    assert (found.result, found.detail) == ("pass", "runs, pid 7, ready")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"version": "0"}, "it is version 0, and this is 1: start it again"),
        ({"config": "/other.toml"}, "it serves /other.toml"),
        ({"routes": []}, "it has no route planner"),
        ({"routes": [{"name": "planner"}, {"name": "old"}]}, "it still has route old"),
        ({"state": "degraded", "reasons": ["a worker is restarting"]}, "a worker is restarting"),
    ],
)
def test_it_is_not_quite(config: Config, more: dict[str, Any], said: str) -> None:
    found = judge(_status(config, more), config, "1")
    assert found.result == "warn"
    assert said in found.detail
    assert found.remedy


class _Silent:
    def __init__(self, error: GatewayError) -> None:
        self._error = error

    async def status(self) -> dict[str, Any]:
        raise self._error

    async def certificates(self, identity: str) -> dict[str, Any]:
        raise self._error


async def test_none_runs() -> None:
    finding, status = await ask(_Silent(NotRunning("no gateway answers", hint="start it")))
    assert status is None
    assert finding is not None
    assert (finding.result, finding.remedy) == ("warn", "start it")


async def test_one_of_another_user() -> None:
    finding, status = await ask(_Silent(GatewayError("it is another user's", hint="be that one")))
    assert status is None
    assert finding is not None
    assert finding.result == "fail"
