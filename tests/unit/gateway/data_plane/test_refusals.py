"""How long a refused certificate is a reason to wait for another one."""

from __future__ import annotations

from gateway.data_plane.refusals import RENEWAL_WAIT_S, Refusals


def test_a_first_refusal_is_worth_a_wait_and_a_late_one_is_not() -> None:
    refusals = Refusals()
    assert refusals.may_wait(1, 100.0)
    assert refusals.may_wait(1, 100.0 + RENEWAL_WAIT_S - 0.01)
    assert not refusals.may_wait(1, 100.0 + RENEWAL_WAIT_S)


def test_when_the_next_generation_is_refused_too_nobody_waits() -> None:
    refusals = Refusals()
    assert refusals.may_wait(1, 100.0)
    assert not refusals.may_wait(2, 100.1)


def test_an_accepted_certificate_makes_all_as_before() -> None:
    refusals = Refusals()
    refusals.may_wait(1, 100.0)
    refusals.forget()
    assert refusals.may_wait(2, 200.0)
