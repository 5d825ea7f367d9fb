"""`gateway.data_plane.tally`."""

from __future__ import annotations

from gateway.data_plane.tally import OTHERS, Tally

A, B = ("l1", "a"), ("l1", "b")


def test_the_first_is_told_at_once_and_the_others_later() -> None:
    tally = Tally()
    assert [tally.note(what) for what in (A, A, B, A)] == [True, False, True, False]
    assert tally.due() == [(A, 2)]


def test_what_goes_on_is_told_each_second_and_at_once_after_a_quiet_one() -> None:
    tally = Tally()
    tally.note(A)
    tally.note(A)
    assert tally.due() == [(A, 1)]
    assert not tally.note(A)
    assert tally.due() == [(A, 1)]
    assert tally.due() == []
    assert tally.note(A)


def test_many_kinds_are_told_as_one() -> None:
    tally = Tally()
    told = [tally.note(("l1", str(number))) for number in range(1000)]
    assert told.count(True) == 64
    assert tally.due() == [(OTHERS, 1000 - 64)]
