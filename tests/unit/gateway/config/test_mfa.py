"""`gateway.config.mfa` and `gateway.config.mfa_policy`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.mfa import read_mfa
from gateway.config.mfa_policy import MfaConfig
from gateway.config.table import Table
from gateway.errors import ConfigProblem


def read(raw: dict[str, Any]) -> tuple[MfaConfig, list[ConfigProblem]]:
    problems: list[ConfigProblem] = []
    return read_mfa(Table(raw, "mfa", problems)), problems


def test_rules_by_secret_command_and_sign_in() -> None:
    rules = ["secret:prod-*", "command:run", "command:rotate", "sign-in"]
    policy, problems = read({"touch": rules, "within_s": 30})
    assert not problems
    assert policy == MfaConfig(
        secrets=("prod-*",),
        commands=frozenset(("run", "rotate")),
        sign_in=True,
        within_s=30,
    )
    assert policy.wants("run", ())
    assert policy.wants("secret get", ("dev", "prod-db"))
    assert not policy.wants("secret get", ("dev", "Prod-db"))


def test_nothing_is_demanded_by_default() -> None:
    policy, problems = read({})
    assert not problems
    assert not policy.wants("run", ("prod-db",))
    assert not policy.sign_in


@pytest.mark.parametrize(
    "raw",
    [
        {"touch": ["prod-*"]},
        {"touch": ["secret:"]},
        {"touch": ["secret:a/b"]},
        {"touch": ["command:dance"]},
        {"touch": ["command:"]},
        {"touch": "secret:a"},
        {"touch": [1]},
        {"within_s": 9},
        {"within_s": 601},
        {"tuch": []},
    ],
)
def test_what_is_not_known_is_a_problem(raw: dict[str, Any]) -> None:
    assert len(read(raw)[1]) == 1
