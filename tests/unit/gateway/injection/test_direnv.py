"""`gateway.injection.direnv`, with the real direnv."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.injection.direnv import DirenvMissing, allow, approval, check_folder, find_direnv
from tests.components import require_component


def test_the_note_of_an_approval_is_where_we_look_for_it(tmp_path: Path) -> None:
    require_component("direnv")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for data in ("", str(tmp_path / "data")):
        env["XDG_DATA_HOME"] = data
        (envrc := tmp_path / ".envrc").write_text("export A=1\n")
        note = approval(envrc, "export A=1\n", env)
        assert not note.exists()
        allow(find_direnv(env), envrc, env)
        assert note.read_text().strip() == str(envrc)


def test_a_refusal_is_told(tmp_path: Path) -> None:
    require_component("direnv")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with pytest.raises(DirenvMissing, match=r"doesn't allow .*: "):
        allow(find_direnv(env), tmp_path / "absent" / ".envrc", env)


def test_folders_in_which_direnv_would_run_commands() -> None:
    check_folder(Path("/home/ada/it's ä #;&*{}~ a"))
    for text in ("/a$b", "/a`b", '/a"b', "/a\\b", "/a\nb"):
        with pytest.raises(DirenvMissing, match="read as commands"):
            check_folder(Path(text))


def test_without_direnv(tmp_path: Path) -> None:
    with pytest.raises(DirenvMissing, match="not installed"):
        find_direnv({"PATH": str(tmp_path)})
