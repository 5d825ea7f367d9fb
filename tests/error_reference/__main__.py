"""Writes docs/reference/errors.md and the pages beside it: `python -m tests.error_reference`."""

from __future__ import annotations

from tests.error_reference.entries import find
from tests.error_reference.pages import pages
from tests.error_reference.source import ROOT, Sources

FOLDER = ROOT / "docs" / "reference"

if __name__ == "__main__":
    for path, text in pages(find(Sources.read())).items():
        page = FOLDER / path
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
