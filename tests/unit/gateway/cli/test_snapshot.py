"""`gateway.cli.snapshot`: the configuration of one command, read once."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.cli.parsers import UsageError
from gateway.cli.snapshot import Snapshot, snapshot_of, text_of
from gateway.errors import ConfigInvalid
from identity.errors import InvalidSecretName

CONFIG = """
project = "acme"
[secrets]
store = "folder"
folder = "kept"
[run.env]
KEY = "secret:key"
[mfa]
touch = ["command:run"]
"""


def asked(config: str | None = None, **more: str | None) -> argparse.Namespace:
    return argparse.Namespace(config=Path(config) if config else None, **more)


def test_what_was_read_stays_so_whatever_becomes_of_the_file(workdir: Path) -> None:
    path = workdir / "devwiz-gw.toml"
    path.write_text(CONFIG)
    snapshot = snapshot_of(asked())
    path.write_text('project = "other"\n[mfa]\ntouch = ["nonsense"]\n')
    assert (snapshot.path, snapshot.own, snapshot.project) == (path, "acme", "acme")
    assert (snapshot.store, snapshot.secrets_folder) == ("folder", workdir / "kept")
    assert [item.name for item in snapshot.manifest().env] == ["KEY"]
    assert snapshot.policy().wants("run", ())


def test_another_project_is_meant_where_it_is_named(workdir: Path) -> None:
    (workdir / "devwiz-gw.toml").write_text(CONFIG)
    assert snapshot_of(asked(project="other")).project == "other"
    assert snapshot_of(asked(project="other")).policy().is_unknown
    assert not snapshot_of(asked(project="acme")).policy().is_unknown
    with pytest.raises(InvalidSecretName):
        assert snapshot_of(asked(project="../x")).project


def test_without_a_file(workdir: Path) -> None:
    (workdir / "devwiz-gw.toml").unlink()
    for wanting in (asked(), asked(project=None)):
        with pytest.raises(UsageError, match="no configuration file"):
            snapshot_of(wanting)
    with pytest.raises(UsageError, match="no configuration file"):
        snapshot_of(asked(project="acme"), required=True)
    snapshot = snapshot_of(asked(project="acme"))
    assert (snapshot.path, snapshot.project, snapshot.store) == (None, "acme", "keychain")
    assert (snapshot.secrets_folder, snapshot.manifest().env) == (None, ())
    assert snapshot_of(asked(), required=False) == Snapshot()
    with pytest.raises(ConfigInvalid):
        snapshot_of(asked("none.toml"), required=False)


def test_a_manifest_that_others_may_write_is_not_believed(workdir: Path) -> None:
    path = workdir / "devwiz-gw.toml"
    path.write_text(CONFIG)
    path.chmod(0o660)
    snapshot = snapshot_of(asked())
    assert snapshot.project == "acme"
    with pytest.raises(ConfigInvalid) as caught:
        snapshot.manifest()
    assert [problem.message for problem in caught.value.problems] == [
        "the file is writable by its group"
    ]


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ("run = 1", "a table"),
        ("[run]\nsecrets = 1", "a list"),
        ('[run.env]\nLD_PRELOAD = "x"', "makes programs load code"),
    ],
)
def test_a_malformed_manifest_is_not_taken_for_none(workdir: Path, part: str, problem: str) -> None:
    (workdir / "devwiz-gw.toml").write_text(f'project = "acme"\n{part}\n')
    with pytest.raises(ConfigInvalid) as caught:
        snapshot_of(asked()).manifest()
    assert problem in caught.value.problems[0].message


def test_a_text_that_is_not_there() -> None:
    raw = {"a": {"b": "text", "c": 1}}
    assert text_of(raw, "a", "b") == "text"
    assert text_of(raw, "a", "c") == text_of(raw, "x", "b") == text_of(raw, "a", "b", "c") == ""
