from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.model import AdminConfig, Limits, LogConfig, SecretsConfig
from gateway.control_plane.reload import refuse_unchangeable
from gateway.errors import ConfigInvalid
from tests.fakes import configs

OLD = configs.config(Path("/x"))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("project", {"project": "other"}),
        ("secrets", {"secrets": SecretsConfig(store="memory")}),
        ("admin.socket", {"admin": AdminConfig(socket=Path("/y/z.sock"))}),
        ("limits.workers", {"limits": Limits(workers=3)}),
        ("log.file", {"log": LogConfig(file=Path("/y/log"))}),
    ],
)
def test_what_needs_a_restart_is_refused_by_its_key(key: str, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid) as got:
        refuse_unchangeable(OLD, replace(OLD, **change))
    assert [problem.key for problem in got.value.problems] == [key]


def test_routes_limits_and_level_may_change() -> None:
    new = replace(
        OLD,
        routes=(configs.route("new"),),
        limits=Limits(idle_timeout_s=1),
        log=LogConfig(level="debug", access=False),
    )
    refuse_unchangeable(OLD, new)
