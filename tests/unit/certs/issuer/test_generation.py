"""The two-phase generation counter, rule by rule."""

from __future__ import annotations

from certs.issuer.generation import Lineage, Link, Verdict, first, present

JOINED = first("key1")
ONE = Link(1, "key1")


def renewed(lineage: Lineage, holder: Link, key: str) -> Lineage:
    decision = present(lineage, holder, key)
    assert decision.verdict is Verdict.ISSUE
    assert decision.link == Link(lineage_generation(decision.lineage), key)
    return decision.lineage


def lineage_generation(lineage: Lineage) -> int:
    return lineage.confirmed.generation + 1


def test_the_first_renewal_leaves_the_first_link_good() -> None:
    lineage = renewed(JOINED, ONE, "key2")
    assert lineage == Lineage(confirmed=ONE, pending=Link(2, "key2"))


def test_a_holder_whose_reply_was_lost_may_ask_again_with_the_same_key() -> None:
    lineage = renewed(JOINED, ONE, "key2")
    assert renewed(lineage, ONE, "key2") == lineage


def test_a_holder_that_crashed_may_ask_again_with_another_key() -> None:
    lineage = renewed(renewed(JOINED, ONE, "key2"), ONE, "key3")
    assert lineage == Lineage(confirmed=ONE, pending=Link(2, "key3"))


def test_the_first_use_of_the_pending_link_confirms_it() -> None:
    lineage = renewed(renewed(JOINED, ONE, "key2"), Link(2, "key2"), "key3")
    assert lineage == Lineage(confirmed=Link(2, "key2"), pending=Link(3, "key3"))


def test_an_older_link_locks() -> None:
    lineage = renewed(renewed(JOINED, ONE, "key2"), Link(2, "key2"), "key3")
    assert present(lineage, ONE, "copy").verdict is Verdict.MISMATCH


def test_a_superseded_pending_link_locks() -> None:
    """Two holders of link 1 renewed in turn; the number of both is 2, the key tells them apart."""
    lineage = renewed(renewed(JOINED, ONE, "original"), ONE, "copy")
    assert present(lineage, Link(2, "original"), "next").verdict is Verdict.MISMATCH


def test_the_loser_of_a_race_to_confirm_locks() -> None:
    lineage = renewed(renewed(JOINED, ONE, "original"), ONE, "copy")
    lineage = renewed(lineage, Link(2, "copy"), "copy3")
    assert present(lineage, Link(2, "original"), "original3").verdict is Verdict.MISMATCH


def test_a_late_copy_of_an_answered_request_locks_nobody() -> None:
    lineage = renewed(renewed(JOINED, ONE, "key2"), Link(2, "key2"), "key3")
    decision = present(lineage, ONE, "key2")
    assert (decision.verdict, decision.lineage) == (Verdict.KEY_REUSED, lineage)


def test_a_key_is_not_renewed_onto_itself() -> None:
    assert present(JOINED, ONE, "key1").verdict is Verdict.KEY_REUSED
    lineage = renewed(JOINED, ONE, "key2")
    assert present(lineage, Link(2, "key2"), "key2").verdict is Verdict.KEY_REUSED


def test_an_old_link_asking_for_its_own_key_still_locks() -> None:
    lineage = renewed(renewed(JOINED, ONE, "key2"), Link(2, "key2"), "key3")
    assert present(lineage, ONE, "key1").verdict is Verdict.MISMATCH


def test_a_link_from_the_future_locks() -> None:
    assert present(JOINED, Link(5, "key5"), "key6").verdict is Verdict.MISMATCH
