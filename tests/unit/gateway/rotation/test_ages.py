"""Since when a secret has had its value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.rotation.ages import Ages
from gateway.rotation.views import Age

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def test_what_was_there_at_the_first_look_may_be_older(tmp_path: Path) -> None:
    ages = Ages(tmp_path)
    assert ages.of("key") is None
    ages.look("key", "a", NOW)
    ages.look("key", "a", LATER)
    assert ages.of("key") == Age(NOW, is_begin=False)


def test_what_came_in_its_place_came_then(tmp_path: Path) -> None:
    ages = Ages(tmp_path)
    ages.look("key", "a", NOW)
    ages.look("key", "b", LATER)
    assert ages.of("key") == Age(LATER, is_begin=True)


def test_a_file_of_an_earlier_version_or_damaged_tells_what_it_can(tmp_path: Path) -> None:
    ages = Ages(tmp_path)
    ages.look("key", "a", NOW)
    (file,) = tmp_path.iterdir()
    file.write_text('{"key": {"fingerprint": "a", "since": "2026-01-01T00:00:00+00:00"}, "x": 1}')
    assert ages.of("key") == Age(NOW, is_begin=False)
    assert ages.of("x") is None
    file.write_text("[")
    assert ages.of("key") is None
