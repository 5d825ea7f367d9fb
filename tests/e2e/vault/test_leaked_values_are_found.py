"""`scan` finds values of the project's secrets in files, in any form, and never shows them."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess

import pytest

from tests.components import require_component
from tests.e2e.vault.conftest import Headless

VALUE = 'canary/of+the "scan"'


@pytest.fixture
def machine(headless: Headless) -> Headless:
    headless.make()
    headless.unlock()
    headless.done("secret", "set", "token", said=VALUE)
    headless.done("secret", "set", "pin", said="1234")
    return headless


def test_a_clean_tree_is_clean(machine: Headless) -> None:
    (machine.work / "notes").write_text("nothing here, and 1234 is too short\n")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(machine.work / "socket"))
    result = machine.run("scan")
    assert result.returncode == 0, result.stderr
    assert "no value of the project's secrets was found" in result.stderr
    assert "too short to look for: pin" in result.stderr
    # Nor is a socket a file that can't be read.
    assert "can't be read" not in result.stderr


def test_every_form_is_found_and_none_is_shown(machine: Headless) -> None:
    folder = machine.work / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "raw.txt").write_text(f"\n\nkey = {VALUE}\n")
    (folder / "body.json").write_text(json.dumps({"key": VALUE}))
    (folder / "dump.bin").write_bytes(b"\0\xff" + VALUE.encode().hex().encode() + b"\0")
    (folder / "header").write_bytes(b"Basic " + base64.b64encode(b"user:" + VALUE.encode()))
    (machine.work / "url").write_text("https://h/?key=canary%2Fof%2Bthe%20%22scan%22")
    (machine.work / "link").symlink_to(folder / "raw.txt")
    os.mkfifo(machine.work / "pipe")
    result = machine.run("scan", "--json")
    assert result.returncode == 1
    leaks = json.loads(result.stdout)["leaks"]
    found = {(leak["place"], leak["line"], leak["form"]) for leak in leaks}
    assert found == {
        ("deep/er/raw.txt", 3, "as it is"),
        ("deep/er/body.json", 1, "JSON"),
        ("deep/er/dump.bin", 1, "hex"),
        ("deep/er/header", 1, "base64"),
        ("url", 1, "URL"),
    }
    assert {leak["name"] for leak in leaks} == {"token"}
    shown = machine.run("scan")
    for text in (VALUE, VALUE.encode().hex(), "canary"):
        assert text not in result.stdout + result.stderr + shown.stdout + shown.stderr
    assert "replace these secrets" in shown.stderr


def test_what_git_keeps_is_looked_into_when_asked(machine: Headless) -> None:
    git = require_component("git")

    def run(*arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@t.example")
        subprocess.run(
            [git, *identity, *arguments],
            cwd=machine.work,
            env=machine.env,
            check=True,
            capture_output=True,
            timeout=30,
        )

    run("init", "-q")
    leak = machine.work / "leak"
    leak.write_text(VALUE)
    run("add", ".")
    run("commit", "-qm", "oops")
    leak.unlink()
    run("commit", "-qam", "gone")
    assert machine.run("scan").returncode == 0
    result = machine.run("scan", "--history", "--json")
    assert result.returncode == 1, result.stderr
    (found,) = json.loads(result.stdout)["leaks"]
    assert "git blob" in found["place"]
    damaged = machine.work / ".git" / "objects" / "ab" / ("c" * 38)
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_text("none of git's")
    result = machine.run("scan", "--history")
    assert result.returncode == 1, result.stderr
    assert f"git object ab{'c' * 38} is damaged" in result.stderr
    damaged.unlink()
    run("gc", "-q")
    assert machine.run("scan", "--history").returncode == 1, "in a pack, too"


def test_history_needs_a_repository(machine: Headless) -> None:
    require_component("git")
    result = machine.run("scan", "--history")
    assert result.returncode == 2
    assert "is in no git repository" in result.stderr
