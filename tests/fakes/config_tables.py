"""The tables of a configuration file, and what becomes of them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import Config, Route
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid

PATH = Path("/etc/acme/devwiz-gw.toml")
PIN = "sha256:" + "0a" * 32


def file(**route: Any) -> dict[str, Any]:
    """The tables of the smallest good file, its route changed."""
    smallest = {
        "project": "acme",
        "identity": {"source": "issuer", "issuer": {"url": "https://issuer", "ca_pin": PIN}},
        "routes": [{"name": "r", "listen": "127.0.0.1:1", "upstream": "https://u.example"} | route],
    }
    return copy.deepcopy(smallest)


def read(raw: dict[str, Any]) -> Config:
    return parse(raw, path=PATH, max_socket_path=107)


def route(**changes: Any) -> Route:
    return read(file(**changes)).routes[0]


def problems(raw: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by key; hints are appended to messages."""
    with pytest.raises(ConfigInvalid) as caught:
        read(raw)
    found = {item.key: f"{item.message} | {item.hint}" for item in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    return found


def only_problem(key: str, **route: Any) -> str:
    found = problems(file(**route))
    assert list(found) == [key]
    return found[key]
