"""`gateway.clients.client_file`: what is on the disk, byte by byte."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.clients.client_file import ClientFile, Receipts
from gateway.clients.files.base import NotEditable, Spot
from gateway.clients.files.jsonc import JSONC
from gateway.clients.receipt import installed, removed
from gateway.errors import GatewayError

SPOT = Spot(container="mcpServers", name="planner")


def put(path: Path, receipts: Receipts, url: str = "u") -> None:
    file = ClientFile.read(path)
    change = installed(
        *(JSONC, file.text, SPOT, {"url": url}, receipts.find(file, SPOT)),
        missing_folders=file.missing_folders,
        force=False,
    )
    receipts.apply(file, SPOT, change)


def undo(path: Path, receipts: Receipts) -> None:
    file = ClientFile.read(path)
    kept = receipts.find(file, SPOT)
    receipts.apply(file, SPOT, removed(JSONC, file.text, SPOT, kept, force=False))


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts(tmp_path / "state" / "clients")


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf{\r\n  "a": "\xc3\xa4" // c\r\n}\r\n',
        b'{ "mcpServers": { } }',
        b"",
        b'{\n "a": 1\r\n}',
    ],
)
def test_the_same_bytes_come_back(tmp_path: Path, receipts: Receipts, content: bytes) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(content)
    path.chmod(0o640)
    put(path, receipts)
    assert path.read_bytes() != content
    assert path.read_bytes().startswith(b"\xef\xbb\xbf") == content.startswith(b"\xef\xbb\xbf")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    put(path, receipts, url="v")
    undo(path, receipts)
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(item.name for item in tmp_path.iterdir()) == ["mcp.json", "state"]
    assert list((tmp_path / "state").iterdir()) == []


def test_lines_keep_their_ends(tmp_path: Path, receipts: Receipts) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b'{\r\n  "a": 1\r\n}\r\n')
    put(path, receipts)
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n") == 7 + 1


def test_a_file_that_was_made_goes_with_its_folders(tmp_path: Path, receipts: Receipts) -> None:
    path = tmp_path / "a" / "b" / "mcp.json"
    put(path, receipts)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    undo(path, receipts)
    assert not (tmp_path / "a").exists()
    put(path, receipts)
    (tmp_path / "a" / "mine").touch()
    undo(path, receipts)
    assert (tmp_path / "a" / "mine").exists()
    assert not path.parent.exists()


def test_a_link_stays_one(tmp_path: Path, receipts: Receipts) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "mcp.json"
    link.symlink_to(real)
    put(link, receipts)
    assert link.is_symlink()
    assert JSONC.read(real.read_text()) == {"mcpServers": {"planner": {"url": "u"}}}
    undo(link, receipts)
    assert (link.is_symlink(), real.read_text()) == (True, "{}")


def test_what_others_add_stays(tmp_path: Path, receipts: Receipts) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"a": 1}')
    put(path, receipts)
    path.write_text(path.read_text().replace('"a": 1', '"a": 2, "b": 3'))
    undo(path, receipts)
    assert path.read_text() == '{"a": 2, "b": 3}'


def test_a_file_that_changes_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    file = ClientFile.read(path)
    path.write_text('{"a": 1}')
    with pytest.raises(GatewayError, match="changed meanwhile"):
        file.replace("{}")
    assert path.read_text() == '{"a": 1}'


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe4")
    os.mkfifo(tmp_path / "fifo")
    for name, why in (("latin", "UTF-8"), ("fifo", "no file"), (".", "no file")):
        with pytest.raises(NotEditable, match=why):
            ClientFile.read(tmp_path / name)


def test_somebody_else_s_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(NotEditable, match="another user"):
        ClientFile.read(path)


def test_the_copy_is_private(tmp_path: Path, receipts: Receipts) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"secret": 1}')
    path.chmod(0o644)
    put(path, receipts)
    folder = tmp_path / "state" / "clients"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = {item.suffix: stat.S_IMODE(item.stat().st_mode) for item in folder.iterdir()}
    assert kept == {".json": 0o600, ".bak": 0o600}


def test_a_receipt_that_is_none_is_forgotten(tmp_path: Path, receipts: Receipts) -> None:
    path = tmp_path / "mcp.json"
    put(path, receipts)
    (kept,) = (tmp_path / "state" / "clients").glob("*.json")
    for data in ("", "[]", '{"whole": 1}'):
        kept.write_text(data)
        assert receipts.find(ClientFile.read(path), SPOT) is None


def test_a_difference_is_for_people(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    assert ClientFile.read(path).difference("{}\n") == [
        *("--- /dev/null", f"+++ {path}", "@@ -0,0 +1 @@", "+{}"),
    ]
