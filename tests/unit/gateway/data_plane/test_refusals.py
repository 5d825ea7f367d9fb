"""How long a refused certificate is a reason to wait for another one."""

from __future__ import annotations

from gateway.data_plane.refusals import RENEWAL_WAIT_S, Refusals


def test_a_first_refusal_is_worth_a_wait_and_a_late_one_is_not() -> None:
    refusals = Refusals()
    ends = 100.0 + RENEWAL_WAIT_S
    assert refusals.refused(1, 100.0) == ends
    assert refusals.refused(1, ends - 0.01) == ends, "all wait for the same renewal"
    assert refusals.refused(1, ends) == 0


def test_when_the_next_generation_is_refused_too_nobody_waits() -> None:
    refusals = Refusals()
    assert refusals.refused(1, 100.0)
    assert not refusals.refused(2, 100.1)
    assert not refusals.refused(3, 900.0)


def test_an_accepted_certificate_makes_all_as_before() -> None:
    refusals = Refusals()
    refusals.refused(1, 100.0)
    refusals.accepted(2)
    assert refusals.refused(2, 200.0) == 200.0 + RENEWAL_WAIT_S


def test_an_address_that_accepts_what_another_refuses_makes_no_fresh_start() -> None:
    refusals = Refusals()
    refusals.refused(1, 100.0)
    refusals.refused(2, 101.0)
    refusals.accepted(1)
    refusals.accepted(2)
    assert not refusals.refused(2, 102.0)
    assert not refusals.refused(3, 200.0)


def test_nobody_waits_for_a_certificate_that_cant_come_in_time() -> None:
    refusals = Refusals()
    assert not refusals.refused(1, 100.0, RENEWAL_WAIT_S)
    assert not refusals.refused(1, 104.0, RENEWAL_WAIT_S - 4.0)
    assert refusals.refused(1, 104.0, RENEWAL_WAIT_S - 4.1) == 100.0 + RENEWAL_WAIT_S
    assert refusals.refused(1, 104.0, -7.0), "it may be renewed at once"
