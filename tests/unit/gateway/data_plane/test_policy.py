"""`gateway.data_plane.policy`."""

from __future__ import annotations

import hashlib

import pytest

from gateway.data_plane.policy import Verdict, judge
from gateway.ipc.snapshot import AllowSpec

TOKEN = b"dwgw_0123456789"


def rule(*, uid: int | None = None, exe: str = "", token: bytes = b"") -> AllowSpec:
    digest = hashlib.sha256(token).hexdigest() if token else ""
    return AllowSpec(uid=uid, exe=exe, token="ide" if token else "", token_sha256=digest)


def allowed(
    *rules: AllowSpec, uid: int | None = 1000, exe: str = "/usr/bin/node", token: bytes = b""
) -> bool:
    return not judge(rules, uid=uid, exe=lambda: exe, token=token, own_uid=1000).denied


def test_without_rules_the_own_user_may_and_nobody_else() -> None:
    assert allowed()
    assert not allowed(uid=0)
    assert not allowed(uid=None)
    assert not allowed(uid=None, token=TOKEN)


def test_with_rules_the_own_user_is_nothing_special() -> None:
    assert not allowed(rule(uid=1001))
    assert allowed(rule(uid=1001), rule(uid=1000))


def test_all_of_a_rule_has_to_be_so() -> None:
    both = rule(uid=1000, exe="/usr/bin/node", token=TOKEN)
    assert allowed(both, token=TOKEN)
    assert not allowed(both, token=TOKEN, uid=1001)
    assert not allowed(both, token=TOKEN, exe="/usr/bin/python3")
    assert not allowed(both, token=TOKEN + b"x")
    assert not allowed(both)


def test_a_token_stands_for_an_unknown_user() -> None:
    assert allowed(rule(token=TOKEN), uid=None, token=TOKEN)


def test_a_token_that_is_not_set_matches_nothing() -> None:
    unset = AllowSpec(uid=None, exe="", token="ide", token_sha256="")
    assert not allowed(unset, token=b"")
    assert not allowed(unset, token=b"anything")


def test_the_program_is_asked_for_only_where_a_rule_needs_it() -> None:
    def exe() -> str:
        raise AssertionError("asked")

    assert not judge((rule(uid=1000),), uid=1000, exe=exe, token=b"", own_uid=1).denied
    assert judge((rule(uid=1, exe="/x"),), uid=1000, exe=exe, token=b"", own_uid=1).denied


@pytest.mark.parametrize("uid", [None, 1001])
def test_the_reason_names_the_caller_and_no_token(uid: int | None) -> None:
    reason = judge((rule(token=TOKEN),), uid=uid, exe=str, token=b"secret", own_uid=1).why
    assert "secret" not in reason
    assert ("an unknown user" if uid is None else "user 1001") in reason


def test_the_rule_that_lets_a_caller_in_is_told() -> None:
    rules = (rule(uid=1001), rule(token=TOKEN), rule(uid=1000))
    verdict = judge(rules, uid=1000, exe=str, token=TOKEN, own_uid=1000)
    assert verdict == Verdict(rule=rules[1])
    assert judge((), uid=1000, exe=str, token=b"", own_uid=1000) == Verdict()


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (b"", "without a token"),
        (b"guess", "with a token that no rule knows"),
        (TOKEN, "with a token of a rule that asks for more"),
    ],
)
def test_the_reason_tells_a_foreign_token_from_one_that_is_not_enough(
    token: bytes, said: str
) -> None:
    rules = (rule(uid=1001, token=TOKEN), rule(uid=1002))
    assert judge(rules, uid=1000, exe=str, token=token, own_uid=1).why.endswith(said)


@pytest.mark.parametrize(
    ("rules", "uid", "token", "denied"),
    [
        ((), None, b"", "unknown_user"),
        ((), 1001, TOKEN, "other_user"),
        ((rule(token=TOKEN),), 1000, b"", "no_rule"),
        ((rule(token=TOKEN),), 1000, b"guess", "bad_token"),
    ],
)
def test_refusals_have_kinds(
    rules: tuple[AllowSpec, ...], uid: int | None, token: bytes, denied: str
) -> None:
    assert judge(rules, uid=uid, exe=str, token=token, own_uid=1000).denied == denied
