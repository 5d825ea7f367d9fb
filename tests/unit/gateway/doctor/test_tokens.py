"""What is said of tokens that there are, and of those that can't be had."""

from __future__ import annotations

from pathlib import Path

from gateway.config.model import Config, FileTokenConfig
from gateway.doctor.tokens import as_gateway_sees_them
from tests.fakes.configs import config


def _config(folder: Path, *names: str) -> Config:
    tokens = tuple(FileTokenConfig(name=name, path=folder / name) for name in names)
    return config(folder, tokens=tokens)


def test_each_has_a_finding(tmp_path: Path) -> None:
    listed = [
        {"name": "token:good", "route": "planner", "state": "ready"},
        {"name": "token:bad", "route": "planner", "state": "the token bad can't be had: so"},
        {"name": "plain", "route": "planner", "state": "ready"},
    ]
    found = as_gateway_sees_them(_config(tmp_path, "good", "bad", "unused"), listed)
    assert [(item.about, item.result) for item in found] == [
        ("good", "pass"),
        ("bad", "fail"),
        ("unused", "skip"),
    ]
    assert found[1].detail == "the token bad can't be had: so"


def test_none_is_needed(tmp_path: Path) -> None:
    (found,) = as_gateway_sees_them(_config(tmp_path), [])
    assert found.result == "pass"
