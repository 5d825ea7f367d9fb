"""`[workload_api]` to checked values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import WorkloadApiConfig, WorkloadRule
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid

PATH = Path("/etc/acme/gw.toml")
FILES = {"certificate": "c", "private_key": "k", "trust_bundle": "b"}


def read(**workload_api: Any) -> WorkloadApiConfig | None:
    raw = {
        "project": "acme",
        "identity": {"source": "files", "files": FILES},
        "identities": {"billing": {"source": "files", "files": FILES}},
        "routes": [
            {
                "name": "r",
                "listen": "unix:r.sock",
                "upstream": "https://a.example",
                "peer": ["spiffe://acme.example/a"],
            }
        ],
    }
    if workload_api:
        raw["workload_api"] = workload_api
    return parse(raw, path=PATH, max_socket_path=107).workload_api


def problems(**workload_api: Any) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        read(**workload_api)
    return [item.key for item in caught.value.problems]


def test_nothing_is_served_unless_it_is_asked_for() -> None:
    assert read() is None


def test_who_gets_what() -> None:
    rules = [
        {"uid": 1000},
        {"uid": 1001, "exe": "/usr/bin/planner", "identities": ["billing", "default"]},
    ]
    assert read(socket="unix:w.sock", allow=rules) == WorkloadApiConfig(
        socket=Path("/etc/acme/w.sock"),
        allow=(
            WorkloadRule(uid=1000),
            WorkloadRule(uid=1001, exe="/usr/bin/planner", identities=("billing", "default")),
        ),
    )


def test_the_form_of_the_environment_variable_is_taken_too() -> None:
    api = read(socket="unix:///run/acme/w.sock")
    assert api is not None
    assert api.socket == Path("/run/acme/w.sock")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"allow": [{"uid": 1}]}, "socket"),
        ({"socket": "tcp://127.0.0.1:1"}, "socket"),
        ({"socket": "unix:gw.sock"}, "socket"),
        ({"socket": "unix:r.sock"}, "socket"),
        ({"socket": "unix:w.sock", "port": 1}, "port"),
        ({"socket": "unix:w.sock", "allow": []}, "allow"),
        ({"socket": "unix:w.sock", "allow": [{"exe": "/bin/sh"}]}, "allow[0].uid"),
        ({"socket": "unix:w.sock", "allow": [{"uid": -1}]}, "allow[0].uid"),
        ({"socket": "unix:w.sock", "allow": [{"uid": 1, "exe": "sh"}]}, "allow[0].exe"),
        (
            {"socket": "unix:w.sock", "allow": [{"uid": 1, "identities": ["other"]}]},
            "allow[0].identities[0]",
        ),
        (
            {"socket": "unix:w.sock", "allow": [{"uid": 1, "identities": []}]},
            "allow[0].identities",
        ),
        ({"socket": "unix:w.sock", "allow": [{"uid": 1, "token": "t"}]}, "allow[0].token"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, Any], key: str) -> None:
    assert problems(**table) == [f"workload_api.{key}"]
