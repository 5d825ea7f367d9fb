"""Which folder a session is for, and what its `.envrc` can't hold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.envrc.conftest import Envrc, Shell
from tests.e2e.run.conftest import KEY


def started_in(envrc: Envrc, folder: Path, *words: str) -> Path:
    """Where the `.envrc` is of a session that was begun in a folder."""
    before = set(envrc.project.folder.rglob(".envrc"))
    code, _, err = envrc.run("start", *words, cwd=folder)
    assert code == 0, err
    (made,) = {path for path in envrc.project.folder.rglob(".envrc") if path.is_file()} - before
    return made.parent


def test_the_configurations_folder_or_the_one_that_is_named(envrc: Envrc) -> None:
    home = envrc.project.folder
    for name in ("below", "other", "elsewhere"):
        (home / name).mkdir()
    assert started_in(envrc, home / "below") == home
    assert started_in(envrc, home, "--folder", "other") == home / "other"
    shutil.copytree(home / "secrets", home / "elsewhere" / "secrets")
    shutil.copy(home / "devwiz-gw.toml", home / "elsewhere")
    config = str(home / "elsewhere" / "devwiz-gw.toml")
    assert started_in(envrc, home / "below", "--config", config) == home / "below"
    assert len(list(envrc.sessions.glob("*.json"))) == 3
    code, _, err = envrc.run("start", "--folder", "absent")
    assert code == 2
    assert "absent is no folder" in err


def test_a_folder_with_any_name(envrc: Envrc) -> None:
    folder = envrc.project.folder / "it's ~ & ä; # {x} *"
    folder.mkdir()
    envrc.start("--folder", str(folder), "--only", "API_KEY")
    shell = Shell(envrc.project, "bash")
    shell.says("cd it*")
    assert shell.has("API_KEY") == KEY
    shell.says("cd ..")
    assert shell.has("API_KEY") == ""
    shell.close()


@pytest.mark.parametrize("name", ["$(touch pwned)", "`touch pwned`", 'a"b', "a\\b", "a\nb"])
def test_a_name_that_direnv_would_run(envrc: Envrc, name: str) -> None:
    (folder := envrc.project.folder / name).mkdir()
    code, _, err = envrc.run("start", "--folder", str(folder))
    assert code == 1
    assert "direnv would read as commands" in err
    assert not list(envrc.project.folder.rglob("pwned"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("words", [("start", "--literal"), ("export",)], ids=["literal", "export"])
def test_a_value_that_no_environment_holds(envrc: Envrc, words: tuple[str, ...]) -> None:
    file = envrc.project.folder / "secrets" / "key"
    file.write_text("canary" + "x" * 131_072)
    if words == ("export",):
        config = envrc.project.folder / "devwiz-gw.toml"
        file.write_text("canary" + "x" * 65_000)
        long = 'LONG = "{secret:key}{secret:key}{secret:key}"'
        config.write_text(config.read_text() + long + "\n")
        envrc.start()
        words = ("export", "--session", envrc.session_file().stem)
    code, out, err = envrc.run(*words)
    assert (code, out) == (1, "")
    assert "too long" in err or "65536 are kept at most" in err
    assert "canary" not in err
    assert not envrc.file.exists() or "canary" not in envrc.file.read_text()


def test_the_process_that_keeps_a_session_knows_no_value(envrc: Envrc) -> None:
    envrc.project.env["LOADED"] = KEY
    envrc.start("--literal")
    for name in ("environ", "cmdline"):
        assert KEY.encode() not in Path(f"/proc/{envrc.holder()}/{name}").read_bytes()
    assert os.getsid(envrc.holder()) == envrc.holder()
