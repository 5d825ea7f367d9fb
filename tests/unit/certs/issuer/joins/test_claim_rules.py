"""Claim rules."""

from __future__ import annotations

from typing import Any

import pytest

from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.policy import InvalidPolicy

CLAIMS: dict[str, Any] = {
    "sub": "repo:acme/app:ref:refs/heads/main",
    "groups": ["dev", "ops"],
    "email_verified": True,
    "run": 42,
    "ratio": 1.5,
    "none": None,
    "kubernetes.io": {"namespace": "agents", "serviceaccount": {"name": "planner"}},
    "a/b": {"~c": "x"},
    "https://acme.example/team": "core",
}


@pytest.mark.parametrize(
    "rule",
    [
        ClaimRule(path="sub", equals=("other", "repo:acme/app:ref:refs/heads/main")),
        ClaimRule(path="sub", like=("repo:acme/app:*",)),
        ClaimRule(path="sub", like=("*:refs/heads/main",)),
        ClaimRule(path="sub", like=("repo:*/app:*:refs/*/main",)),
        ClaimRule(path="groups", equals=("ops",)),
        ClaimRule(path="email_verified", equals=("true",)),
        ClaimRule(path="run", equals=("42",)),
        ClaimRule(path="/kubernetes.io/namespace", equals=("agents",)),
        ClaimRule(path="/kubernetes.io/serviceaccount/name", like=("plan*",)),
        ClaimRule(path="/a~1b/~0c", equals=("x",)),
        ClaimRule(path="https://acme.example/team", equals=("core",)),
    ],
)
def test_a_value_that_will_do(rule: ClaimRule) -> None:
    assert rule.is_met_by(CLAIMS)


@pytest.mark.parametrize(
    "rule",
    [
        ClaimRule(path="sub", equals=("repo:acme/app:*",)),
        ClaimRule(path="sub", like=("repo:acme/app",)),
        ClaimRule(path="sub", like=("acme/app*",)),
        ClaimRule(path="sub", like=("repo:acme/app:*:refs/heads/main/*main",)),
        ClaimRule(path="groups", equals=("dev,ops",)),
        ClaimRule(path="email_verified", equals=("True",)),
        ClaimRule(path="email_verified", equals=("1",)),
        ClaimRule(path="ratio", equals=("1.5",)),
        ClaimRule(path="none", equals=("null", "None")),
        ClaimRule(path="absent", like=("*a",)),
        ClaimRule(path="kubernetes.io", like=("*a*",)),
        ClaimRule(path="/sub/x", equals=("x",)),
        ClaimRule(path="/kubernetes.io/serviceaccount", like=("*p*",)),
    ],
)
def test_a_value_that_will_not(rule: ClaimRule) -> None:
    assert not rule.is_met_by(CLAIMS)


def test_parts_of_a_pattern_never_share_characters() -> None:
    rule = ClaimRule(path="sub", like=("aba*aba",))
    assert not rule.is_met_by({"sub": "ababa"})
    assert rule.is_met_by({"sub": "abaaba"})
    assert not ClaimRule(path="sub", like=("a*b*b",)).is_met_by({"sub": "ab"})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"equals": ("",)},
        {"like": ("*",)},
        {"like": ("***",)},
        {"like": ("good*", "*")},
        {"equals": ("x" * 600,)},
    ],
)
def test_a_rule_that_says_nothing_is_refused(values: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(InvalidPolicy):
        ClaimRule(path="sub", **values)
