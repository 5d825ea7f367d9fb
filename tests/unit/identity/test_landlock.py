"""A process that gave up its files, tried in processes of their own: it can't be undone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from identity import landlock

needs_it = pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")


def confined(script: str, *arguments: str) -> str:
    """What a process prints that may read Python's files and `arguments[0]` from then on."""
    head = """
        import os, signal, socket, sys
        from pathlib import Path
        from identity import landlock

        def fails(attempt, *arguments):
            try:
                attempt(*arguments)
            except OSError as error:
                return type(error).__name__
            return "done"

        assert landlock.read_only([Path(sys.argv[1])]) == landlock.abi() > 0
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip()


@needs_it
def test_only_what_is_named_can_be_read_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "file").write_text("x")
    (tmp_path / "other").write_text("x")
    said = confined(
        """
        named, other = Path(sys.argv[1]), Path(sys.argv[2])
        print((named / "file").read_text(), fails(other.read_text), fails(os.listdir, "/etc"))
        print(fails((named / "new").write_text, "x"), fails((named / "file").unlink))
        print(fails((named / "file").write_text, "x"), fails(os.execv, "/bin/true", ["true"]))
        """,
        str(tmp_path / "named"),
        str(tmp_path / "other"),
    )
    assert said.split() == ["x", *["PermissionError"] * 6]


@needs_it
@pytest.mark.skipif(landlock.abi() < 4, reason="this kernel's Landlock knows no networks")
def test_no_port_can_be_listened_on(tmp_path: Path) -> None:
    said = confined('print(fails(socket.socket().bind, ("127.0.0.1", 0)))', str(tmp_path))
    assert said == "PermissionError"


@needs_it
@pytest.mark.skipif(landlock.abi() < 6, reason="this kernel's Landlock knows no signals")
def test_no_other_process_can_be_signalled(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert confined(
            "print(fails(os.kill, int(sys.argv[2]), 0))", *(str(tmp_path), str(other.pid))
        ) == ("PermissionError")


@needs_it
def test_a_path_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    assert confined('print("on")', str(tmp_path / "absent")) == "on"


@pytest.mark.parametrize(
    ("version", "size", "rights"),
    [
        *((1, 8, 0x1FFF), (2, 8, 0x3FFF), (3, 8, 0x7FFF), (4, 16, 0x7FFF), (5, 16, 0xFFFF)),
        *((6, 24, 0xFFFF), (9, 24, 0xFFFF)),
    ],
)
def test_a_kernel_is_told_no_more_than_it_knows(version: int, size: int, rights: int) -> None:
    made = landlock.ruleset(version)
    assert len(made) == size
    assert int.from_bytes(made[:8], sys.byteorder) == rights


def test_another_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock.read_only([Path("/")]) == 0
