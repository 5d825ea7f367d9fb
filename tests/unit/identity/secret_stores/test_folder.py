"""`identity.secret_stores.folder`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from identity.errors import InvalidSecretValue, SecretNotFound, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.folder import SecretFolder

TOKEN = SecretRef("acme", "planner-token")


def test_reads_a_file_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "planner-token").write_bytes("välue\n".encode())
    assert SecretFolder(tmp_path).get(TOKEN).reveal() == "välue"


def test_lists_files_but_not_what_kubernetes_adds(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("1")
    (tmp_path / "a").write_text("2")
    (tmp_path / "..data").mkdir()
    (tmp_path / ".hidden").write_text("3")
    assert SecretFolder(tmp_path).names("acme") == ["a", "b"]


def test_a_missing_file_and_a_missing_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SecretNotFound, match="acme/planner-token") as missing:
        SecretFolder(tmp_path).get(TOKEN)
    assert f"into the file {tmp_path / 'planner-token'}" in missing.value.hint
    with pytest.raises(StoreUnavailable, match="is not there"):
        SecretFolder(tmp_path / "absent").get(TOKEN)
    with pytest.raises(StoreUnavailable, match="is not there"):
        SecretFolder(tmp_path / "absent").names("acme")


def test_a_folder_of_that_name_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "planner-token").mkdir()
    with pytest.raises(SecretNotFound):
        SecretFolder(tmp_path).get(TOKEN)


def test_a_pipe_of_that_name_is_no_secret_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "planner-token")
    with pytest.raises(SecretNotFound):
        SecretFolder(tmp_path).get(TOKEN)


@pytest.mark.parametrize("data", [b"", b"\n", b"a\0b", b"x" * 70_000])
def test_what_no_store_takes_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "planner-token").write_bytes(data)
    with pytest.raises(InvalidSecretValue):
        SecretFolder(tmp_path).get(TOKEN)


def test_bytes_that_are_no_text_are_refused_without_showing_them(tmp_path: Path) -> None:
    (tmp_path / "planner-token").write_bytes(b"\xff\xfeSECRET")
    with pytest.raises(StoreUnavailable) as refused:
        SecretFolder(tmp_path).get(TOKEN)
    assert "SECRET" not in str(refused.value)


def test_is_never_written_to(tmp_path: Path) -> None:
    store = SecretFolder(tmp_path)
    file = str(tmp_path / "planner-token")
    with pytest.raises(StoreUnavailable) as refused:
        store.set(TOKEN, Secret("x"))
    assert f"put the value into the file {file}, mode 0600" in refused.value.hint
    with pytest.raises(StoreUnavailable) as refused:
        store.delete(TOKEN)
    assert f"remove the file {file}" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
