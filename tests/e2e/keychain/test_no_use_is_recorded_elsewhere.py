"""Whoever turns XDG_STATE_HOME or HOME away from the journal of record gets no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.keychain.conftest import Desktop
from tests.fakes.admin_server import FakeAdminServer

VALUE = b"the-canary-of-acme"


@pytest.fixture
def acme(desktop: Desktop) -> Desktop:
    assert desktop.secret("set", "planner-token", value=VALUE).returncode == 0
    return desktop


def state_of(desktop: Desktop) -> Path:
    return Path(desktop.env["HOME"], ".local", "state", "devwiz-gw")


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "HOME"])
@pytest.mark.parametrize("more", [(), ("--project", "acme")])
def test_another_state_folder_is_refused(
    acme: Desktop, tmp_path: Path, variable: str, more: tuple[str, ...]
) -> None:
    usual = acme.env
    acme.env = usual | {variable: str(tmp_path / "empty")}
    refused = acme.secret("get", "planner-token", *more)
    assert refused.returncode != 0
    assert refused.stdout == b""
    assert f"kept under {state_of(acme) if variable != 'HOME' else ''}" in refused.stderr.decode()
    assert b"unset XDG_STATE_HOME" in refused.stderr
    acme.env = usual
    assert acme.secret("get", "planner-token", *more).stdout == VALUE


def test_a_link_to_the_state_folder_is_the_folder(acme: Desktop, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(state_of(acme).parent)
    acme.env = acme.env | {"XDG_STATE_HOME": str(tmp_path / "linked")}
    assert acme.secret("get", "planner-token").stdout == VALUE


def test_the_state_is_moved_by_a_person(acme: Desktop, tmp_path: Path) -> None:
    old = state_of(acme)
    new = tmp_path / "new"
    usual = acme.env
    acme.env = usual | {"XDG_STATE_HOME": str(new)}
    assert acme.secret("get", "planner-token").returncode != 0, "and leaves a journal there"
    acme.env["CLAUDECODE"] = "1"
    refused = acme.secret("move-state", start_new_session=True)
    assert b"nobody at the terminal allowed it" in refused.stderr
    del acme.env["CLAUDECODE"]
    assert acme.secret("get", "planner-token").returncode != 0
    moved = acme.secret("move-state")
    assert moved.returncode == 0, moved.stderr
    assert b"what was there already is in" in moved.stderr
    assert acme.secret("get", "planner-token").stdout == VALUE
    told = (old / "acme" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    kept = (new / "devwiz-gw" / "acme" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert any('"secret.move-state"' in line and '"denied"' in line for line in told)
    assert '"secret.move-state"' in told[-1]
    assert '"ok"' in told[-1]
    assert kept[: len(told) - 1] == told[:-1], "it goes on from the old one"
    assert '"secret.move-state"' in kept[len(told) - 1]
    acme.env = usual
    assert acme.secret("get", "planner-token").returncode != 0
    assert acme.secret("move-state").returncode == 0, "and back"
    assert acme.secret("get", "planner-token").stdout == VALUE


def test_nothing_is_moved_under_a_running_gateway(acme: Desktop, tmp_path: Path) -> None:
    acme.env = acme.env | {"XDG_STATE_HOME": str(tmp_path / "new")}
    socket = acme.folder / "devwiz-gw.sock"
    with FakeAdminServer(socket, {"GET /status": (200, {"project": "acme"})}):
        refused = acme.secret("move-state")
    assert refused.returncode != 0
    assert b"devwiz-gw.toml runs" in refused.stderr
    assert b"drain" in refused.stderr
    assert not (tmp_path / "new" / "devwiz-gw" / "acme").exists()
    socket.unlink(missing_ok=True)
    with FakeAdminServer(socket, {"GET /status": (200, {"project": "other"})}):
        assert acme.secret("move-state").returncode == 0, "another project's is no matter"


def test_nothing_is_moved_that_stays(acme: Desktop) -> None:
    refused = acme.secret("move-state")
    assert refused.returncode != 0
    assert b"is not kept anywhere else" in refused.stderr
