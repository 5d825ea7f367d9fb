"""A sealed secret keeps its seal: what asks for no touch can't read, replace or publish it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.mfa.conftest import VALUE, MfaProject
from tests.fakes.configu_server import TOKEN, UNUSED_ROUTE, ConfiguServer

ROTATED = """
[rotate.db]
provider = "exec"
allow = true
create = ["/bin/sh", "-c", "touch {folder}/created; echo new"]
"""


@pytest.fixture
def configu() -> Iterator[ConfiguServer]:
    with ConfiguServer() as server:
        server.configs = {("", "db"): "from-configu", ("", "key"): "other"}
        yield server


@pytest.fixture
def sealed(project: MfaProject, configu: ConfiguServer) -> MfaProject:
    project.drawer.add(b"blue" * 8)
    project.enrol()
    project.recovery_code()
    rotated = ROTATED.format(folder=project.folder)
    project.write(UNUSED_ROUTE + configu.table("app.cfgu.json") + rotated)
    (project.folder / "app.cfgu.json").write_text(json.dumps({"db": {}, "key": {}}))
    code, _, errors = project.say("login", "configu", given=TOKEN)
    assert code == 0, errors
    assert project.say("secret", "set", "--touch", "db", given=VALUE)[0] == 0
    return project


def states(out: str) -> dict[str, Any]:
    return {item["name"]: item["state"] for item in json.loads(out)["configs"]}


def is_still_sealed(project: MfaProject) -> bool:
    assert "no terminal to show what a touch approves" in project.say("secret", "get", "db")[2]
    code, shown = project.see("secret", "get", "db", "--show")
    return code == 0 and shown.replace("\r", "").endswith(f"{VALUE}\n")


def test_a_sync_leaves_it_and_takes_the_others_in(
    sealed: MfaProject, configu: ConfiguServer
) -> None:
    assert sealed.say("secret", "rm", "key")[0] == 0
    for options in ((), ("--take", "db"), ("--dry-run",)):
        code, out, errors = sealed.say("sync", "--json", *options)
        assert (code, states(out)["db"]) == (0, "sealed"), errors
        assert VALUE not in out + errors
    assert sealed.say("secret", "get", "key")[1] == "other"
    assert "db    sealed  a touch would have to open it" in sealed.say("sync")[1]
    assert is_still_sealed(sealed)
    # Nor is it published: whoever may read Configu would have it without a touch.
    code, _, errors = sealed.say("sync", "--push", "db")
    assert (code, "is sealed: it takes a touch" in errors) == (1, True)
    assert configu.configs["", "db"] == "from-configu"


def test_one_that_was_taken_and_sealed_later(sealed: MfaProject) -> None:
    assert sealed.say("secret", "rm", "db")[0] == 0
    sealed.say("sync")
    assert sealed.say("secret", "get", "db")[1] == "from-configu"
    assert sealed.say("secret", "set", "--touch", "db", given=VALUE)[0] == 0
    for way in ((), ("--status",)):
        _, out, errors = sealed.say("sync", "--json", *way)
        assert states(out)["db"] == "sealed", errors
    assert is_still_sealed(sealed)


def test_it_is_not_rotated(sealed: MfaProject) -> None:
    for options in ((), ("--plan",)):
        code, _, errors = sealed.say("rotate", "db", *options)
        assert (code, "is sealed: it takes a touch" in errors) == (1, True), errors
    # It was refused before there was a new key that nobody would end.
    assert not (sealed.folder / "created").exists()
    assert sealed.say("rotate")[0] == 0
    assert is_still_sealed(sealed)
