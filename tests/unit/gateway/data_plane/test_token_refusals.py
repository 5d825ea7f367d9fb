"""How often a route asks for other credentials, and how long what was refused waits."""

from __future__ import annotations

from gateway.data_plane.token_refusals import ASK_EVERY_S, WAIT_S, TokenRefusals


def test_the_first_one_asks_and_the_others_wait_for_the_same_answer() -> None:
    refusals = TokenRefusals()
    assert refusals.waits_until(100.0) == 0
    assert refusals.refused(100.0)
    assert not refusals.refused(100.1)
    assert refusals.waits_until(100.1) == 100.0 + WAIT_S


def test_nobody_waits_when_the_answer_is_here() -> None:
    refusals = TokenRefusals()
    refusals.refused(100.0)
    refusals.answered()
    assert refusals.waits_until(100.1) == 0


def test_nobody_waits_for_an_answer_that_does_not_come() -> None:
    refusals = TokenRefusals()
    refusals.refused(100.0)
    assert refusals.waits_until(100.0 + WAIT_S - 0.01)
    assert refusals.waits_until(100.0 + WAIT_S) == 0


def test_it_is_asked_again_after_a_while_and_no_sooner() -> None:
    refusals = TokenRefusals()
    assert refusals.refused(0.0)
    refusals.answered()
    assert not refusals.refused(ASK_EVERY_S - 0.01)
    assert refusals.refused(ASK_EVERY_S)
    assert WAIT_S < ASK_EVERY_S, "else one question could be under way beside another"
