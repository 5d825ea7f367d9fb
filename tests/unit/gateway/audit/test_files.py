"""`gateway.audit.files`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import files
from gateway.audit.files import all_files, first_of, full_files, full_name, journal_path, lines_of


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/devwiz-gw/acme/audit.jsonl"),
        ({"HOME": "/h"}, "/h/.local/state/devwiz-gw/acme/audit.jsonl"),
        (
            {"XDG_STATE_HOME": "relative", "HOME": "/h"},
            "/h/.local/state/devwiz-gw/acme/audit.jsonl",
        ),
    ],
)
def test_the_journal_is_in_the_state_folder(env: dict[str, str], expected: str) -> None:
    assert journal_path("acme", env) == Path(expected)


def test_files_are_in_the_order_of_their_lines(tmp_path: Path) -> None:
    current = tmp_path / "audit.jsonl"
    assert all_files(current) == []
    for first in (10**12, 1, 200):
        (tmp_path / full_name(first)).write_text("")
    for other in ("audit-1.jsonl", "audit-x.jsonl", "audit.lock", "audit-000000000001.jsonl.old"):
        (tmp_path / other).write_text("")
    assert [first_of(path) for path in full_files(current)] == [1, 200, 10**12]
    current.write_text("")
    assert all_files(current)[-1] == current
    assert full_files(tmp_path / "nowhere" / "audit.jsonl") == []


def test_lines_come_without_their_newlines_and_the_last_may_be_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "x"
    long = b"l" * (3 << 20)
    for data, lines in (
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"\n\na\n", [b"", b"", b"a"]),
        (long + b"\n" + long, [long, long]),
    ):
        path.write_bytes(data)
        assert list(lines_of(path)) == lines


@given(st.binary(max_size=40), st.integers(1, 7))
def test_lines_come_backwards_whatever_the_pieces_are(data: bytes, chunk: int) -> None:
    text = data.translate(bytes(10 if byte % 3 == 0 else byte for byte in range(256)))
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_CHUNK_BACK", chunk)
        file.write(text)
        file.flush()
        found = list(files.lines_back(file.fileno(), len(text)))
    assert found == list(reversed(text.split(b"\n")))
