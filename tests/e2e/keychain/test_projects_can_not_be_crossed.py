"""What somebody may try to read another project's secrets with, where a keychain keeps them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import secretstorage

from tests.e2e.keychain.conftest import CONFIG, Desktop

VALUE = "the-canary-of-acme"
RUN = '\n[run.env]\nTOKEN = "secret:planner-token"\n'


@pytest.fixture
def acme(desktop: Desktop) -> Desktop:
    (desktop.folder / "devwiz-gw.toml").write_text(CONFIG + RUN, encoding="utf-8")
    assert desktop.secret("set", "planner-token", value=VALUE.encode()).returncode == 0
    return desktop


def gotten(desktop: Desktop, folder: Path) -> str:
    """The value, or what was said instead."""
    return told(desktop, folder, "secret", "get", "planner-token")


def told(desktop: Desktop, folder: Path, *command: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        cwd=folder,
        env=desktop.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        start_new_session=True,  # no terminal to ask at
    )
    return result.stdout if result.returncode == 0 else result.stderr


def test_a_copied_or_renamed_configuration_is_refused(acme: Desktop, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(acme.folder, clone)
    assert "the secrets of project acme belong to" in gotten(acme, clone)
    assert "belong to" in told(acme, clone, "secret", "list")
    listed = json.loads(
        told(acme, acme.folder, "audit", "query", "--action", "secret.list", "--json")
    )
    assert [event["outcome"] for event in listed] == ["denied"], "no list was shown"
    assert "belong to" in gotten(acme, clone.rename(tmp_path / "renamed"))
    program = ("run", "--", sys.executable, "-c", "import os; print(end=os.environ['TOKEN'])")
    assert "belong to" in told(acme, tmp_path / "renamed", *program)
    assert told(acme, acme.folder, *program) == VALUE


def test_a_folder_of_another_case_is_another(acme: Desktop, tmp_path: Path) -> None:
    shutil.copytree(acme.folder, tmp_path / "WORK")
    assert "belong to" in gotten(acme, tmp_path / "WORK")


def test_a_moved_configuration_is_let_in_by_hand(acme: Desktop, tmp_path: Path) -> None:
    acme.folder = acme.folder.rename(tmp_path / "moved")
    assert "devwiz-gw secret bind" in gotten(acme, acme.folder)
    assert acme.secret("bind").returncode == 0
    assert gotten(acme, acme.folder) == VALUE
    bound = json.loads(acme.secret("bound", "--json").stdout)
    files = [str(tmp_path / folder / "devwiz-gw.toml") for folder in ("work", "moved")]
    assert bound["configurations"] == files
    assert acme.secret("unbind", "../work/devwiz-gw.toml").returncode == 0
    assert acme.secret("bound").stdout.decode().splitlines() == files[1:]


def test_links_and_dots_lead_to_the_same_project_and_to_no_other(
    acme: Desktop, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(acme.folder)
    assert gotten(acme, linked) == VALUE
    other = tmp_path / "other"
    other.mkdir()
    dots = str(other / ".." / "linked" / "devwiz-gw.toml")
    assert acme.secret("get", "planner-token", "--config", dots).stdout == VALUE.encode()
    (other / "devwiz-gw.toml").symlink_to(acme.folder / "devwiz-gw.toml")
    assert "belong to" in gotten(acme, other), "what is beside the link is meant"


def test_items_of_another_project_copied_over_its_binding_let_nobody_in(
    acme: Desktop, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    config = (acme.folder / "devwiz-gw.toml").read_text(encoding="utf-8")
    (other / "devwiz-gw.toml").write_text(config.replace('"acme"', '"other"'), encoding="utf-8")
    set_there = [*("secret", "set", "planner-token"), "--config", str(other / "devwiz-gw.toml")]
    assert acme.secret(*set_there[1:], value=b"other's").returncode == 0
    (other / "devwiz-gw.toml").write_text(config, encoding="utf-8")
    with closing(acme.bus.connect()) as bus:
        items = {
            item.get_attributes()["service"]: item
            for item in secretstorage.Collection(bus).get_all_items()
        }
        items["devwiz-gw/acme#bound"].set_secret(items["devwiz-gw/other#bound"].get_secret())
    assert "is bound to in the keychain is damaged" in gotten(acme, other)
    assert "devwiz-gw secret bind" in gotten(acme, acme.folder)
    assert acme.secret("bind").returncode == 0
    assert gotten(acme, acme.folder) == VALUE
    assert "belong to" in gotten(acme, other)


def test_an_agent_lets_nobody_in(acme: Desktop, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(acme.folder, clone)
    mine, acme.folder = acme.folder, clone
    acme.env = acme.env | {"CLAUDECODE": "1"}
    for command in (("bind",), ("unbind", str(mine / "devwiz-gw.toml"))):
        refused = acme.secret(*command, start_new_session=True)
        assert refused.returncode != 0
    del acme.env["CLAUDECODE"]
    assert "belong to" in gotten(acme, clone)
    journal = next(Path(acme.env["HOME"]).rglob("audit.jsonl")).read_text(encoding="utf-8")
    assert '"secret.bind","name":"%s","outcome":"denied"' % (clone / "devwiz-gw.toml") in journal


def test_secrets_of_an_earlier_version_are_bound_by_a_person_not_by_an_agent(
    acme: Desktop, tmp_path: Path
) -> None:
    with closing(acme.bus.connect()) as bus:
        for item in secretstorage.Collection(bus).get_all_items():
            if item.get_attributes()["service"].endswith("#bound"):
                item.delete()
    usual, acme.env = acme.env, acme.env | {"CLAUDECODE": "1"}
    refused = acme.secret("list")
    assert b"an agent may not be the first" in refused.stderr
    acme.env = usual
    assert acme.secret("bound").stdout == b""
    assert acme.secret("list").returncode == 0
    assert acme.secret("bound").stdout.decode().strip() == str(acme.folder / "devwiz-gw.toml")
