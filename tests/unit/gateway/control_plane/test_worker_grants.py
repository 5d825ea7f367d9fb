"""What a configuration's workers need beyond what every worker does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.config.model import AllowRule, UnixAddress
from gateway.control_plane.worker_grants import worker_grants
from tests.fakes import configs


def test_usually_nothing() -> None:
    route = configs.route()
    assert worker_grants([route, replace(route, allow=(AllowRule(uid=1000),))]) == ()


def test_an_agent_behind_a_unix_socket_and_a_rule_by_program() -> None:
    route = configs.route()
    agent = replace(route, upstream_host="/run/agent.sock", upstream_port=0)
    known = replace(route, allow=(AllowRule(uid=1000, exe="/usr/bin/planner"),))
    socket = replace(route, listen=(UnixAddress(Path("/run/x.sock")),))
    assert worker_grants([route, agent]) == ("unix-sockets",)
    assert worker_grants([socket, route]) == ("other-programs",)
    assert worker_grants([known, route]) == ("other-programs",)
    assert worker_grants([known, agent]) == ("other-programs", "unix-sockets")
