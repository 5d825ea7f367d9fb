from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.service.access import ServiceUser, check_access

STRANGER = ServiceUser("stranger", 54_321, frozenset({54_321}))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that everybody reaches, as pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_modes_of_files_and_of_the_folders_above(open_folder: Path) -> None:
    file = open_folder / "file"
    file.write_text("")
    file.chmod(0o600)
    assert not STRANGER.may_read(file)
    file.chmod(0o644)
    assert STRANGER.may_read(file)
    assert not STRANGER.may_write(open_folder)
    open_folder.chmod(0o777)
    assert STRANGER.may_write(open_folder)
    open_folder.chmod(0o700)
    assert not STRANGER.may_read(file)
    assert not STRANGER.may_read(open_folder / "missing")
    assert ServiceUser("root", 0, frozenset()).may_write(open_folder)


def test_what_is_missing_is_named_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    file.chmod(0o600)
    with pytest.raises(GatewayError, match=f"can't read {file}"):
        check_access(STRANGER, reads=[file], writes=[])
    with pytest.raises(GatewayError, match="can't write to") as refused:
        check_access(STRANGER, reads=[], writes=[tmp_path])
    assert "install -d -m 0700 -o stranger" in refused.value.hint
    with pytest.raises(GatewayError) as unknown:
        ServiceUser.named("no-such-user-here")
    assert "useradd --system" in unknown.value.hint
