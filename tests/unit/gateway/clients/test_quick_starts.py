"""docs/quick-starts.md is what the table of clients makes of it, and docs/README.md leads there."""

from __future__ import annotations

from gateway.clients.catalogue import CLIENTS
from gateway.clients.formats import FORMATS
from tests.quick_starts import PAGE, page

INDEX = (PAGE.parent / "README.md").read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.quick_starts"


def test_each_client_has_its_quick_start_and_the_index_leads_to_it() -> None:
    headings = [line for line in page().splitlines() if line.startswith("## ")]
    assert len(headings) == len(CLIENTS) + len(FORMATS)
    assert INDEX.count("(quick-starts.md#") == len(headings)
