"""The issuer's audit file on a disk that is full, and after a crash."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issuer.audit import AuditFile, Event
from certs.issuer.refusal import Code, Refused

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: a write takes what there is room for."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_line_that_fits_in_part_is_no_line(path: Path) -> None:
    audit = AuditFile(path)
    audit.append(Event(action="join", serial="a"), NOW)
    with files_no_larger_than(path.stat().st_size + 20), pytest.raises(Refused) as caught:
        audit.append(Event(action="join", serial="b"), NOW)
    assert caught.value.code is Code.AUDIT_UNAVAILABLE
    audit.append(Event(action="join", serial="c"), NOW)
    audit.close()
    first, torn, last = path.read_text().splitlines()
    assert [json.loads(line)["serial"] for line in (first, last)] == ["a", "c"]
    assert len(torn) == 20


def test_a_line_that_a_crash_cut_short_spoils_no_other(path: Path) -> None:
    path.write_bytes(b'{"time": "2026')
    audit = AuditFile(path)
    audit.append(Event(action="renew", serial="a"), NOW)
    audit.close()
    assert json.loads(path.read_text().splitlines()[1])["serial"] == "a"
