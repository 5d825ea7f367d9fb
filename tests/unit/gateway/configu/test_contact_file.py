from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.configu.contact import Contact
from gateway.configu.contact_file import read_contact, write_contact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state" / "contact.json"
    for contact in (Contact(), Contact(asked_at=NOW, answered_at=NOW, problem="p")):
        write_contact(path, contact)
        assert read_contact(path) == contact
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"asked_at": 1, "answered_at": 1, "problem": ""}']
)
def test_what_is_not_whole_says_nothing(tmp_path: Path, text: str) -> None:
    assert read_contact(tmp_path / "none") == Contact()
    (tmp_path / "broken").write_text(text)
    assert read_contact(tmp_path / "broken") == Contact()
