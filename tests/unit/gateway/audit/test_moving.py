"""`gateway.audit.moving`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.audit.journal import Journal
from gateway.audit.moving import take_over


def journal_in(folder: Path) -> Journal:
    return Journal(folder / "audit.jsonl", project="acme")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old" / "acme"
    journal_in(folder).record("secret.read", outcome="ok", name="token")
    (folder / "fingerprint.key").write_text("key", encoding="ascii")
    return folder


def test_all_of_it_is_copied_and_the_journal_goes_on(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "acme"
    assert take_over(old, new) is None
    for name in ("audit.jsonl", "fingerprint.key"):
        assert (new / name).read_bytes() == (old / name).read_bytes()
        assert (new / name).stat().st_mode == (old / name).stat().st_mode
    journal_in(new).record("secret.read", outcome="ok")
    assert (new / "audit.jsonl").read_text(encoding="utf-8").count('"seq":2') == 1
    assert [path.name for path in new.parent.iterdir()] == ["acme"], "nothing is left over"


def test_what_was_there_is_set_aside(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "acme"
    journal_in(new).record("secret.read", outcome="failed", name="stray")
    aside = take_over(old, new)
    assert aside == tmp_path / "new" / ".aside-acme.1"
    assert "stray" in (aside / "audit.jsonl").read_text(encoding="utf-8")
    journal_in(old).record("secret.read", outcome="ok", name="later")
    assert take_over(old, new) == tmp_path / "new" / ".aside-acme.2"


def test_a_folder_that_goes_on_from_the_old_one_stays(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "acme"
    take_over(old, new)
    journal_in(new).record("secret.read", outcome="ok", name="further")
    kept = (new / "audit.jsonl").read_bytes()
    assert take_over(old, new) is None
    assert (new / "audit.jsonl").read_bytes() == kept


def test_where_the_old_one_is_gone_nothing_happens(tmp_path: Path) -> None:
    new = tmp_path / "new" / "acme"
    journal_in(new).record("secret.read", outcome="ok", name="moved by hand")
    assert take_over(tmp_path / "old" / "acme", new) is None
    assert "moved by hand" in (new / "audit.jsonl").read_text(encoding="utf-8")


def test_a_folder_that_can_not_be_made_is_told(old: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        take_over(old, tmp_path / "file" / "acme")
