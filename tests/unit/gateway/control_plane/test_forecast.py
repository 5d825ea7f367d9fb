"""Until when routes are good if nothing is renewed any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.control_plane.forecast import Outlook, forecast, good_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON, LATER = NOW + timedelta(hours=2), NOW + timedelta(days=1)


def test_a_route_ends_with_the_first_thing_that_it_needs() -> None:
    assert good_until([LATER, SOON], NOW) == SOON
    assert good_until([SOON], NOW) == SOON


def test_one_that_lacks_something_is_not_good() -> None:
    assert good_until([None], NOW) is None
    assert good_until([SOON, None], NOW) is None
    assert good_until([SOON, NOW], NOW) is None
    assert good_until([], NOW) is None


def test_routes_are_told_by_their_ends_in_order() -> None:
    found = forecast({"a": LATER, "b": SOON, "c": None, "d": SOON})
    assert found == (Outlook(None, ("c",)), Outlook(SOON, ("b", "d")), Outlook(LATER, ("a",)))
    assert forecast({}) == ()
