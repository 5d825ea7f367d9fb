"""The page of the command line says what the parsers say."""

from __future__ import annotations

from tests.cli_reference import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.cli_reference"
