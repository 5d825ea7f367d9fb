"""What an operator may ask of a join rule, and how it is kept."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certs import keys
from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import (
    BoundKeyTerms,
    Provider,
    Terms,
    TokenTerms,
    from_json,
    is_fetchable,
    service_account_rules,
    to_json,
)
from certs.issuer.policy import InvalidPolicy
from identity.errors import InvalidSpiffeId
from tests.fakes.bound_key import public_pem
from tests.fakes.issuer import ManualClock
from tests.unit.certs.issuer.joins.test_identity_token import EC_KEY, jwk

OIDC = TokenTerms(
    method="oidc",
    provider=Provider(issuer="https://idp.acme.example", key_hosts=("keys.example",)),
    audiences=("devwiz",),
    alternatives=(
        (ClaimRule(path="sub", equals=("a", "b")), ClaimRule(path="ref", like=("x*",))),
        service_account_rules("agents/planner"),
    ),
)


@pytest.mark.parametrize("terms", [OIDC, BoundKeyTerms(mode="standard", recovery_limit=7)])
def test_terms_are_kept_as_they_are(terms: Terms) -> None:
    assert from_json(to_json(terms)) == terms


def test_rules_are_listed_changed_and_removed(opened: OpenedIssuer, clock: ManualClock) -> None:
    book = opened.rule_book
    book.add(RuleWish(name="ci", workload="planner", terms=OIDC), clock.now())
    book.add(RuleWish(name="bound", workload="x", terms=BoundKeyTerms()), clock.now())
    listed = book.all()
    assert [(rule.name, bound is None) for rule, bound in listed] == [
        ("bound", False),
        ("ci", True),
    ]
    assert listed[1][0].terms == OIDC
    with pytest.raises(InvalidPolicy, match="already"):
        book.add(RuleWish(name="ci", workload="planner", terms=OIDC), clock.now())
    with pytest.raises(InvalidPolicy, match="no bound key"):
        book.change_recovery("ci", mode="relaxed", limit=None, now=clock.now())
    with pytest.raises(InvalidPolicy, match="out of range"):
        book.change_recovery("bound", mode=None, limit=0, now=clock.now())
    for name in ("ci", "bound"):
        book.remove(name, clock.now())
    assert not book.all()
    with pytest.raises(InvalidPolicy, match="no join rule"):
        book.remove("ci", clock.now())


PUBLIC = json.dumps({"keys": [jwk(EC_KEY.public_key(), "ec")]})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (replace(OIDC, audiences=()), "audience"),
        (replace(OIDC, audiences=("",)), "audience"),
        (replace(OIDC, algorithms=("HS256",)), "HS256"),
        (replace(OIDC, algorithms=("none",)), "none"),
        (replace(OIDC, algorithms=()), "algorithm"),
        (replace(OIDC, alternatives=()), "every token"),
        (replace(OIDC, alternatives=((),)), "every token"),
        (replace(OIDC, provider=Provider(issuer="")), "issuer"),
        (replace(OIDC, provider=Provider(issuer="http://idp.example")), "can't be fetched"),
        (replace(OIDC, provider=Provider(issuer="any", key_set_url="ftp://x")), "can't be fetched"),
        (replace(OIDC, provider=Provider(issuer="any", key_set="[]")), "not usable"),
        (replace(OIDC, provider=Provider(issuer="any", key_set='{"keys": []}')), "no key"),
        (
            replace(OIDC, provider=Provider(issuer="any", key_set='{"keys": [{"d": "x"}]}')),
            "private keys",
        ),
        (BoundKeyTerms(recovery_limit=0), "limit"),
    ],
)
def test_a_rule_that_is_not_safe_is_refused(
    opened: OpenedIssuer, clock: ManualClock, terms: Terms, message: str
) -> None:
    with pytest.raises(InvalidPolicy, match=message):
        opened.rule_book.add(RuleWish(name="r", workload="w", terms=terms), clock.now())
    assert not opened.rule_book.all()


def test_an_uploaded_key_set_makes_the_issuer_a_mere_name(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    terms = replace(OIDC, provider=Provider(issuer="my cluster", key_set=PUBLIC))
    opened.rule_book.add(RuleWish(name="r", workload="w", terms=terms), clock.now())


@pytest.mark.parametrize(
    "wish",
    [
        RuleWish(name="Bad Name", workload="w", terms=OIDC),
        RuleWish(name="r", workload="W W", terms=OIDC),
        RuleWish(name="r", workload="w", terms=OIDC, path="/devwiz-gw/issuer"),
        RuleWish(name="r", workload="w", terms=OIDC, path="/a//b"),
        RuleWish(name="r", workload="w", terms=OIDC, max_leaf_life=timedelta(days=9)),
        RuleWish(name="r", workload="w", terms=BoundKeyTerms(), public_key_pem="x"),
        RuleWish(name="r", workload="w", terms=BoundKeyTerms(), registration_life=timedelta(0)),
    ],
)
def test_a_wish_that_cant_be_granted_is_refused(
    opened: OpenedIssuer, clock: ManualClock, wish: RuleWish
) -> None:
    with pytest.raises((InvalidPolicy, InvalidSpiffeId)):
        opened.rule_book.add(wish, clock.now())
    assert not opened.rule_book.all()


def test_a_registered_key_needs_no_secret(opened: OpenedIssuer, clock: ManualClock) -> None:
    wish = RuleWish(
        name="r",
        workload="w",
        terms=BoundKeyTerms(),
        public_key_pem=public_pem(keys.generate()),
    )
    assert opened.rule_book.add(wish, clock.now()).registration is None


@pytest.mark.parametrize(
    "account", ["planner", "a/b/c", "/planner", "agents/", "*/planner", "A/b", "a/b c", "a/B"]
)
def test_a_service_account_has_a_namespace_and_a_name(account: str) -> None:
    with pytest.raises(InvalidPolicy):
        service_account_rules(account)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://idp.example/x?y", True),
        ("http://127.0.0.1:9/x", True),
        ("http://[::1]:9/x", True),
        ("http://localhost/x", True),
        ("http://localhost.example/x", False),
        ("http://127.0.0.2/x", False),
        ("https://u:p@idp.example", False),
        ("https://idp.example/#x", False),
        ("https://", False),
        ("https://[", False),
        ("https://idp.example:99999/", False),
        ("file:///etc/passwd", False),
    ],
)
def test_keys_are_fetched_safely_or_not_at_all(url: str, expected: bool) -> None:
    assert is_fetchable(url) is expected


def test_a_change_starts_from_what_another_process_wrote_just_before(
    opened: OpenedIssuer, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = BoundKeyTerms(mode="standard", recovery_limit=1)
    opened.rule_book.add(RuleWish(name="r", workload="w", terms=terms), clock.now())
    other = open_issuer(folder)
    store = opened.rule_book._store
    begin = store.transaction

    def late() -> AbstractContextManager[None]:
        monkeypatch.setattr(store, "transaction", begin)
        other.rule_book.change_recovery("r", mode=None, limit=7, now=clock.now())
        return begin()

    monkeypatch.setattr(store, "transaction", late)
    try:
        rule = opened.rule_book.change_recovery("r", mode="relaxed", limit=None, now=clock.now())
    finally:
        other.service.close()
    assert rule.terms == BoundKeyTerms(mode="relaxed", recovery_limit=7)
