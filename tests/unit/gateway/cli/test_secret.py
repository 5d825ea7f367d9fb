"""`gateway.cli.secret`, as far as it needs no keychain."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gateway.cli import approval
from gateway.cli.main import main


@pytest.fixture(autouse=True)
def _no_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)


def run(*arguments: str) -> int:
    return main(["secret", *arguments])


@pytest.mark.parametrize(
    "arguments",
    [("canary",), ("--value", "canary"), ("--value=canary",), ("-v", "canary"), ("a", "canary")],
)
def test_a_value_on_the_command_line_is_refused_and_not_repeated(
    arguments: tuple[str, ...], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("set", "token", *arguments) == 2
    said = capsys.readouterr()
    assert "a value is not taken from the command line" in said.err
    assert "canary" not in said.err + said.out


def read_end(data: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the value is empty"),
        (b"\n", "the value is empty"),
        (b"\xff", "the value is not UTF-8 text"),
        (b"a\0b", "the value holds a NUL"),
    ],
)
def test_a_value_that_can_not_be_kept_is_refused(
    data: bytes, message: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fd = read_end(data)
    try:
        assert run("set", "token", "--from-fd", str(fd)) == 1
    finally:
        os.close(fd)
    assert message in capsys.readouterr().err


def test_a_value_that_is_too_long_is_refused(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "value").write_bytes(b"v" * 70_000)
    with (workdir / "value").open("rb") as file:
        assert run("set", "token", "--from-fd", str(file.fileno())) == 1
    assert "65536 are kept at most" in capsys.readouterr().err


def test_a_closed_descriptor_is_named(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("set", "token", "--from-fd", "987") == 2
    assert "file descriptor 987 can't be read" in capsys.readouterr().err


def test_without_a_configuration_the_project_must_be_named(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "devwiz-gw.toml").unlink()
    assert run("list") == 2
    said = capsys.readouterr().err
    assert "no configuration file says which project is meant" in said
    assert "--project" in said


@pytest.mark.parametrize("words", [("run", "--", "true"), ("secret", "bind")])
def test_what_needs_the_file_itself_names_no_option_that_it_lacks(
    words: tuple[str, ...], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "devwiz-gw.toml").unlink()
    assert main(list(words)) == 2
    said = capsys.readouterr().err
    assert "no configuration file says which project is meant" in said
    assert "--project" not in said
    assert "devwiz-gw init" in said


def test_a_named_configuration_must_be_there(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list", "--config", "nowhere.toml", "--project", "acme") == 1
    assert "there is no file" in capsys.readouterr().err


def test_a_configuration_that_is_not_toml_is_told(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "devwiz-gw.toml").write_text("project = acme\n")
    assert run("list") == 1
    assert "not TOML" in capsys.readouterr().err


@pytest.mark.parametrize("store", ["memory", "no-such-store"])
def test_a_store_that_keeps_nothing_here_is_refused(
    store: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "devwiz-gw.toml").write_text(f'project = "acme"\n[secrets]\nstore = "{store}"\n')
    assert run("list") != 0
    assert "store" in capsys.readouterr().err


@pytest.mark.parametrize("project", ["../other", "ACME", ""])
def test_a_project_that_reaches_elsewhere_is_refused(
    project: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list", "--project", project) == 1
    assert "is not usable" in capsys.readouterr().err


def test_without_a_keychain_that_is_said(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 1
    said = capsys.readouterr().err
    assert "there is no keychain in this session" in said
    assert 'store = "vault" under [secrets]' in said


def test_an_agent_is_refused_on_record(
    workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    monkeypatch.setenv("CURSOR_TRACE_ID", "7")
    monkeypatch.setattr(approval, "_says_yes", lambda _question: False)
    (workdir / "devwiz-gw.toml").write_text(
        'project = "acme"\n[secrets]\nstore = "folder"\nfolder = "."\n'
    )
    (workdir / "key").touch(0o600)
    (workdir / "key").write_text("canary")
    journal = workdir / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    assert run("get", "key") == 1
    said = capsys.readouterr()
    assert "Cursor asks for the value of acme/key" in said.err
    assert "canary" not in said.out + said.err
    (line,) = map(json.loads, journal.read_text().splitlines())
    assert (line["action"], line["name"], line["outcome"]) == ("secret.read", "key", "denied")
    monkeypatch.setattr(approval, "_says_yes", lambda _question: True)
    assert run("get", "key") == 0
    line = json.loads(journal.read_text().splitlines()[-1])
    assert (line["outcome"], line["agent"]) == ("ok", "Cursor")


@pytest.mark.parametrize(
    ("words", "command", "event"),
    [
        (("rm", "key"), "secret rm", "secret.delete"),
        (("set", "key", "--from-fd", "0"), "secret set", "secret.write"),
        (("import", "--replace", "new.env"), "secret import", "secret.write"),
    ],
)
def test_an_agent_changes_nothing_without_a_persons_word(
    words: tuple[str, ...],
    command: str,
    event: str,
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    monkeypatch.setenv("CURSOR_TRACE_ID", "7")
    (workdir / "devwiz-gw.toml").write_text(
        'project = "acme"\n[secrets]\nstore = "folder"\nfolder = "."\n'
    )
    (workdir / "key").touch(0o600)
    (workdir / "key").write_text("old")
    (workdir / "new.env").touch(0o600)
    (workdir / "new.env").write_text("key=new\n")
    monkeypatch.setattr(approval, "_says_yes", lambda _question: False)
    assert run(*words) == 1
    said = capsys.readouterr().err
    assert f"Cursor asks for leave for '{command}' of key in project acme" in said
    assert "run it yourself in a terminal" in said
    assert (workdir / "key").read_text() == "old"
    journal = workdir / "state" / "devwiz-gw" / "acme" / "audit.jsonl"
    line = json.loads(journal.read_text().splitlines()[-1])
    assert (line["action"], line["name"], line["outcome"]) == (event, "key", "denied")
