from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.audit.fingerprint import Fingerprints
from gateway.audit.journal import AuditFailed


def test_a_value_has_one_mark_in_a_project_and_another_elsewhere(tmp_path: Path) -> None:
    here, there = Fingerprints(tmp_path / "a"), Fingerprints(tmp_path / "b")
    mark = here.of("canary")
    assert mark == here.of("canary") == Fingerprints(tmp_path / "a").of("canary")
    assert mark not in (here.of("canary2"), there.of("canary"))
    assert len(mark) == 12
    path = tmp_path / "a" / "fingerprint.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["fingerprint.key"]


def test_a_damaged_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "fingerprint.key").write_bytes(b"short")
    with pytest.raises(AuditFailed, match="is damaged"):
        Fingerprints(tmp_path).of("canary")
