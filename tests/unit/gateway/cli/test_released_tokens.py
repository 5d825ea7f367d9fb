"""`gateway.cli.released_tokens`: a program's tokens, asked for by the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.audit.journal import Journal
from gateway.cli.released_tokens import TokenMissing, fresh_tokens
from gateway.cli.snapshot import Snapshot
from gateway.errors import ConfigInvalid


def snapshot(folder: Path, tokens: object) -> Snapshot:
    return Snapshot(
        path=folder / "devwiz-gw.toml",
        raw={
            "project": "acme",
            "secrets": {"store": "folder", "folder": "kept"},
            "tokens": tokens,
        },
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir(mode=0o700)
    for name in ("one", "two"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(f"token-{name}\n")
    return tmp_path


FILES = {name: {"source": "file", "path": name} for name in ("one", "two", "gone")}


def test_each_by_its_name(folder: Path) -> None:
    journal = Journal(folder / "audit.jsonl", project="acme")
    found = fresh_tokens(["one", "two"], snapshot(folder, FILES), journal)
    assert found == {"token:one": "token-one", "token:two": "token-two"}


def test_one_that_can_not_be_had(folder: Path) -> None:
    journal = Journal(folder / "audit.jsonl", project="acme")
    with pytest.raises(TokenMissing, match="the token gone can't be had") as missing:
        fresh_tokens(["one", "gone"], snapshot(folder, FILES), journal)
    assert "token-one" not in str(missing.value)


@pytest.mark.parametrize(
    ("tokens", "key"),
    [
        ({}, "run.env"),
        (None, "run.env"),
        ({"one": {"source": "none"}}, "tokens.one.source"),
        ("text", "tokens"),
    ],
)
def test_one_that_is_not_configured(folder: Path, tokens: object, key: str) -> None:
    journal = Journal(folder / "audit.jsonl", project="acme")
    with pytest.raises(ConfigInvalid) as invalid:
        fresh_tokens(["one"], snapshot(folder, tokens), journal)
    assert invalid.value.problems[0].key == key
