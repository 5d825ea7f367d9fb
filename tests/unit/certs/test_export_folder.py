"""An identity in a folder: whole, private, and switched at once, wherever the writer dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from certs import export_folder
from certs.errors import ExportFailed
from certs.export_folder import BUNDLE, CHAIN, COMBINED, KEY, export, files_of


def identity(number: int, *, combined: bool = False) -> dict[str, bytes]:
    """A set whose files say which set they are of."""
    return files_of(
        key_pem=b"key %d\n" % number,
        chain_pem=b"chain %d\n" % number,
        bundle_pem=b"bundle %d\n" % number,
        combined=combined,
    )


def seen(folder: Path) -> dict[str, bytes]:
    """What a reader finds under the names without dots."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("..")
    }


def generations(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_set_is_there_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    old = os.umask(0)
    try:
        assert export(folder, identity(1))
    finally:
        os.umask(old)
    assert seen(folder) == {CHAIN: b"chain 1\n", KEY: b"key 1\n", BUNDLE: b"bundle 1\n"}
    (generation,) = generations(folder)
    assert mode(folder) == mode(generation) == 0o700
    assert {mode(path) for path in generation.iterdir()} == {0o600}
    assert str((folder / KEY).readlink()) == "..data/svid.key"
    assert str((folder / "..data").readlink()) == generation.name


def test_modes_dont_depend_on_a_strict_umask_either(tmp_path: Path) -> None:
    old = os.umask(0o377)
    try:
        export(tmp_path, identity(1))
    finally:
        os.umask(old)
    assert mode(tmp_path / KEY) == 0o600


def test_the_same_set_is_not_written_again(tmp_path: Path) -> None:
    assert export(tmp_path, identity(1))
    before = str((tmp_path / "..data").readlink())
    assert not export(tmp_path, identity(1))
    assert str((tmp_path / "..data").readlink()) == before
    assert export(tmp_path, identity(2))


def test_the_generation_before_stays_for_its_readers_and_no_older_one(tmp_path: Path) -> None:
    for number in range(5):
        export(tmp_path, identity(number))
    assert [(path / KEY).read_bytes() for path in generations(tmp_path)] == [b"key 3\n", b"key 4\n"]
    export(tmp_path, identity(4))
    assert len(generations(tmp_path)) == 2


def test_the_combined_file_comes_and_goes(tmp_path: Path) -> None:
    export(tmp_path, identity(1, combined=True))
    assert seen(tmp_path)[COMBINED] == b"key 1\nchain 1\n"
    export(tmp_path, identity(1))
    assert sorted(seen(tmp_path)) == sorted([BUNDLE, CHAIN, KEY])


def test_a_set_that_was_spoilt_is_written_again(tmp_path: Path) -> None:
    export(tmp_path, identity(1))
    (tmp_path / CHAIN).unlink()
    (tmp_path / "..data" / KEY).unlink()
    assert export(tmp_path, identity(1))
    assert seen(tmp_path) == identity(1)


def test_a_link_that_leads_nowhere_is_replaced(tmp_path: Path) -> None:
    export(tmp_path, identity(1))
    (tmp_path / "..data").unlink()
    (tmp_path / "..data").symlink_to("..2020_01_01_00_00_00.000000")
    assert export(tmp_path, identity(1))
    assert seen(tmp_path) == identity(1)


@pytest.mark.parametrize("name", [KEY, CHAIN, BUNDLE, COMBINED, "..data"])
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_nobodys_file_is_overwritten_or_followed(tmp_path: Path, name: str, kind: str) -> None:
    folder, other = tmp_path / "tls", tmp_path / "other"
    folder.mkdir(0o700)
    other.write_text("precious")
    if kind == "file":
        (folder / name).write_text("precious")
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to(other)
    with pytest.raises(ExportFailed, match="was not made by an export"):
        export(folder, identity(1))
    assert other.read_text() == "precious"
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ExportFailed, match="is not a folder"):
        export(tmp_path / "link", identity(1))
    (tmp_path / "file").touch()
    with pytest.raises(ExportFailed, match="is not a folder"):
        export(tmp_path / "file", identity(1))
    assert not list((tmp_path / "real").iterdir())


@pytest.mark.parametrize("bits", [0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, bits: int) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    folder.chmod(bits)
    with pytest.raises(ExportFailed, match="others may write to") as caught:
        export(folder, identity(1))
    assert caught.value.hint == f"chmod 700 {folder}"


def test_a_folder_beside_which_anybody_may_put_another_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ExportFailed, match="everybody may write to"):
        export(tmp_path / "tls", identity(1))
    tmp_path.chmod(0o1777)
    assert export(tmp_path / "tls", identity(1))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's folder")
def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir(0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(ExportFailed, match="belongs to user 12345"):
        export(folder, identity(1))


def test_a_parent_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match=r"can't be written: no such file or directory"):
        export(tmp_path / "missing" / "tls", identity(1))


def test_two_writers_dont_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_folder, "_LOCK_TRIES", 2)
    export(tmp_path, identity(1))
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ExportFailed, match="something else keeps writing"):
            export(tmp_path, identity(2))
    finally:
        os.close(other)
    assert export(tmp_path, identity(2))


def test_readers_never_see_two_sets_mixed(tmp_path: Path) -> None:
    """A reader that goes in once finds one set, however fast the sets change."""
    export(tmp_path, identity(0))
    stop = threading.Event()

    def write() -> None:
        for number in range(1, 60):
            export(tmp_path, identity(number))
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    mixed = []
    while not stop.is_set():
        # Two swaps while a reader is inside take the folder away: it looks again.
        with contextlib.suppress(FileNotFoundError):
            inside = tmp_path / str((tmp_path / "..data").readlink())
            texts = {(inside / name).read_bytes().split()[1] for name in (CHAIN, KEY, BUNDLE)}
            mixed += [texts] if len(texts) != 1 else []
    writer.join()
    assert not mixed


# What the system is asked for is counted, and the process dies before one of these questions.
_DYING = """
import os, signal, sys
from pathlib import Path
from certs.export_folder import export
from tests.unit.certs.test_export_folder import identity
left = int(sys.argv[2])
def watch(event, _arguments):
    global left
    names = {"mkdir", "rename", "symlink", "remove", "rmdir", "listdir"}
    if event == "open" or event.removeprefix("os.") in names:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
export(Path(sys.argv[1]), identity(2, combined=True))
"""
MOST_STEPS = 40


def die_before(step: int, folder: Path) -> bool:
    """Whether the writer died before this step, instead of coming to its end."""
    command = [sys.executable, "-c", _DYING, str(folder), str(step)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], timeout=30, check=False)
    return done.returncode != 0


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_killed_at_any_step_the_old_set_or_the_new_one_is_there(tmp_path: Path, first: int) -> None:
    old, new = identity(1), identity(2, combined=True)
    for step in range(first, MOST_STEPS, 4):
        folder = tmp_path / str(step)
        export(folder, old)
        died = die_before(step, folder)
        found = {name: (folder / name).read_bytes() for name in new if (folder / name).exists()}
        assert found in (old, new), step
        # The next one goes on as if nothing had been.
        export(folder, new)
        assert seen(folder) == new
        assert len(generations(folder)) <= 2
        assert not (folder / "..data_tmp").is_symlink()
        if not died:
            assert found == new
            return
    raise AssertionError("more steps than are tried")
