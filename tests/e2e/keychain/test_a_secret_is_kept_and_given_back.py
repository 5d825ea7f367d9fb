"""Set from standard input or a descriptor, list, get, remove: all in separate processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.e2e.keychain.conftest import Desktop


def test_a_secret_goes_through_its_life(desktop: Desktop) -> None:
    listed = json.loads(desktop.secret("list", "--json").stdout)
    planner = {"name": "planner-token", "kept": False, "routes": ["planner"]}
    assert listed == {"project": "acme", "store": "keychain", "secrets": [planner]}

    done = desktop.secret("set", "planner-token", value=b"canary\n")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"acme/planner-token is set\n"
    got = desktop.secret("get", "planner-token")
    assert (got.stdout, got.stderr) == (b"canary", b"")
    assert desktop.secret("list").stdout == (
        b"NAME           STATE  ROUTES\nplanner-token  kept   planner\n"
    )

    assert desktop.secret("rm", "planner-token").returncode == 0
    missing = desktop.secret("get", "planner-token")
    assert (missing.returncode, missing.stdout) == (1, b"")
    assert b"secret acme/planner-token is not set" in missing.stderr
    again = desktop.secret("rm", "planner-token")
    assert again.returncode == 1
    assert b"devwiz-gw secret list --project acme shows what there is" in again.stderr


def test_one_line_ending_is_left_out_and_nothing_else(desktop: Desktop) -> None:
    for given, kept in (
        (b" two\nlines \n\n", b" two\nlines \n"),
        (b"dos\r\n", b"dos"),
        ("söme 🗝".encode(), "söme 🗝".encode()),
    ):
        desktop.secret("set", "x", value=given)
        assert desktop.secret("get", "x").stdout == kept


def test_a_value_is_read_from_a_descriptor(desktop: Desktop, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"v" * 60_000)
    fd = os.open(tmp_path / "value", os.O_RDONLY)
    try:
        desktop.secret("set", "x", "--from-fd", str(fd), value=b"not this", pass_fds=(fd,))
    finally:
        os.close(fd)
    assert desktop.secret("get", "x").stdout == b"v" * 60_000


def test_another_project_does_not_see_it(desktop: Desktop) -> None:
    desktop.secret("set", "x", value=b"acme's")
    assert desktop.secret("get", "x", "--project", "other").returncode == 1
    listed = json.loads(desktop.secret("list", "--json", "--project", "other").stdout)
    assert listed["secrets"] == []
