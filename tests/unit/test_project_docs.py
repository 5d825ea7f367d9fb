"""The pages that users read: every link of them leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "compose").glob("*.md")]
)


def anchors(page: Path) -> set[str]:
    """Where `#…` can lead to on a page: its headings, written as GitHub writes them."""
    found = set()
    for heading in re.findall(r"(?m)^#{1,6} (.+)$", page.read_text(encoding="utf-8")):
        found.add(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-"))
    return found


def links(page: Path) -> list[str]:
    """The links to files, outside of code."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_each_page_can_be_found_from_the_index() -> None:
    found: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page not in found and page.suffix == ".md":
            found.add(page)
            waiting += [page.parent / link.partition("#")[0] for link in links(page)]
    decisions = ROOT / "docs" / "adr"
    assert [page for page in PAGES if page not in found and page.parent != decisions] == []


@pytest.mark.parametrize("source", ["google-wif", "spiffe", "step-ca", "vault", "files", "issuer"])
def test_each_source_has_its_page(source: str) -> None:
    page = ROOT / "docs" / "operations" / "identity" / f"{source}.md"
    index = (ROOT / "docs" / "operations" / "identity.md").read_text(encoding="utf-8")
    assert f'source = "{source}"' in page.read_text(encoding="utf-8")
    assert f"(identity/{source}.md)" in index
