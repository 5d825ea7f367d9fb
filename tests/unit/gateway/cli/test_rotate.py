"""`gateway.cli.rotate`, with a real journal and real records, and a store in memory."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.cli.login_scope import LoginScope
from gateway.cli.main import main
from gateway.injection.agents import agent_in
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.memory import MemoryStore

#: All that a rotation needs of a configuration.
CONFIG = """
project = "acme"
[rotate.db]
provider = "prompt"
grace = "0s"
verify = ["/bin/sh", "-c", "grep -q canary-good"]
allow = true
[rotate.random]
provider = "configu"
secret = "other"
[rotate.random.configu]
org = "7d1a6f0e"
token_secret = "configu-token"
key = "OTHER"
endpoint = "http://127.0.0.1:9"
"""
REF = SecretRef("acme", "db")


class Kept:
    """What the project's store holds, also after it was closed."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {"db": "canary-old", "other": "canary-other"}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        for name, value in self.values.items():
            await store.set(SecretRef("acme", name), Secret(value))
        try:
            yield store
        finally:
            names = await store.names("acme")
            self.values = {
                name: (await store.get(SecretRef("acme", name))).reveal() for name in names
            }


@pytest.fixture
def kept(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    found = Kept()
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    for name in [name for name in os.environ if agent_in({name: "1"})]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(LoginScope, "store", lambda _scope: found.open())
    (workdir / "devwiz-gw.toml").write_text(CONFIG)
    return found


@pytest.fixture
def typed() -> Iterator[list[int]]:
    """Descriptors that were handed out; those that nobody read are closed."""
    opened: list[int] = []
    yield opened
    for descriptor in opened:
        try:
            os.close(descriptor)
        except OSError:
            continue


def rotate(typed: list[int], *words: str, value: str = "") -> int:
    """Run the command; `value` is given through a descriptor."""
    if not value:
        return main(["rotate", *words])
    reading, writing = os.pipe()
    os.write(writing, value.encode())
    os.close(writing)
    typed.append(reading)
    return main(["rotate", *words, "--from-fd", str(reading)])


def test_a_policy_puts_it_behind_a_touch(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    store = '[secrets]\nstore = "folder"\nfolder = "secrets"\n'
    text = CONFIG + store + '[mfa]\ntouch = ["command:rotate"]\n'
    (workdir / "devwiz-gw.toml").write_text(text)
    (workdir / "secrets").mkdir(mode=0o700)
    assert main(["rotate", "db"]) == 1
    assert "no security key is enrolled" in capsys.readouterr().err


def test_a_value_is_replaced_where_the_file_says_nothing_but_that(
    kept: Kept, typed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rotate(typed, "db", "--json", value="canary-good") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["phase"], told["is_over"]) == ("db", "done", True)
    assert kept.values == {"db": "canary-good", "other": "canary-other"}


def test_all_that_can_be_rotated_is_listed(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rotate", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(item["name"], item["secret"]) for item in told["rotations"]] == [
        ("db", "db"), ("random", "other"),
    ]  # fmt: skip
    assert main(["rotate"]) == 0
    assert "random" in capsys.readouterr().out


def test_a_plan_changes_nothing(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(kept.values)
    assert main(["rotate", "other", "--plan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "random"
    assert "publish" in told["steps"]
    assert main(["rotate", "other", "--plan"]) == 0
    assert "write it to Configu" in capsys.readouterr().out
    assert kept.values == before


def test_a_value_that_was_mistyped_is_given_anew(
    kept: Kept, typed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rotate(typed, "db", value="canary-mistyped") == 1
    assert "--new-value" in capsys.readouterr().err
    assert rotate(typed, "db", "--resume", "--new-value", value="canary-good") == 0
    assert kept.values["db"] == "canary-good"


def test_a_value_that_was_mistyped_is_tried_again_as_it_is(
    kept: Kept, typed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rotate(typed, "db", value="canary-mistyped") == 1
    assert main(["rotate", "db", "--resume"]) == 1
    assert "step verify failed" in capsys.readouterr().err
    assert main(["rotate", "db", "--rollback"]) == 0
    assert kept.values == {"db": "canary-old", "other": "canary-other"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plan"], "name what is to be rotated"),
        (["--from-fd", "0"], "name what is to be rotated"),
        (["db", "--resume", "--old-key", "k"], "--old-key goes with the start"),
        (["db", "--new-value"], "--new-value goes with --resume"),
        (["db", "--rollback", "--from-fd", "0"], "--from-fd goes with a new value"),
        (["random", "--from-fd", "0"], "no value is given for random"),
        (["random", "--resume", "--new-value"], "no value is given for random"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], message: str, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(kept.values)
    assert main(["rotate", *words]) != 0
    assert message in capsys.readouterr().err
    assert kept.values == before


def test_nothing_is_typed_for_a_rotation_that_is_not_there(
    kept: Kept, typed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rotate(typed, "db", "--resume", value="canary-good") == 1
    assert "no rotation of db is under way" in capsys.readouterr().err
