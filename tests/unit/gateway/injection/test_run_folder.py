"""`gateway.injection.run_folder`."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.injection.run_folder import FolderUnsafe, base_folder, run_folder, sweep


def test_a_folder_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with run_folder(tmp_path) as folder:
        (folder / "KEY").write_text("x")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert sweep(tmp_path) == 0
        assert (folder / "KEY").exists()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from gateway.injection.run_folder import run_folder
with run_folder(Path(sys.argv[1])) as folder:
    (folder / "KEY").write_text("canary")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=30)
    assert len(list(tmp_path.iterdir())) == 2
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert sweep(tmp_path) == 0


def test_the_runtime_folder_is_preferred(tmp_path: Path) -> None:
    base = base_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert base == tmp_path / "devwiz-gw"
    assert stat.S_IMODE(base.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_a_folder_that_others_may_use_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "devwiz-gw"
    if kind == "open":
        place.mkdir()
        place.chmod(0o750)
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.touch()
    with pytest.raises(FolderUnsafe):
        base_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
