"""How verbs are found and how what they raise becomes text and an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main as command
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import UsageError
from gateway.cli.verbs import VERBS, Verb
from gateway.data_plane import reactor
from gateway.errors import NotRunning, StartFailed

ROOT = Path(__file__).parents[4]
INSTALLED = [verb for verb in VERBS if (ROOT / f"{verb.module.replace('.', '/')}.py").exists()]


@pytest.mark.parametrize("verb", INSTALLED, ids=lambda verb: verb.name)
def test_each_verb_has_help_with_an_example(verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([verb.name, "--help"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "--config FILE" in text
    assert f"examples:\n  devwiz-gw {verb.name}" in text


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--help"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert all(f"  {verb.name} " in text for verb in VERBS)


def test_no_verb_shows_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == ExitCode.NOT_RUNNING
    assert "verbs:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--version"]) == ExitCode.OK
    said = capsys.readouterr().out
    assert said.startswith("devwiz-gw 0.")
    kind = "pure Python" if Path(reactor.__file__).suffix == ".py" else "compiled"
    assert said.endswith(f" ({kind} data plane)\n")


def test_config_is_taken_before_and_after_the_verb() -> None:
    assert command.parse(["status"]).config is None
    assert command.parse(["--config", "a.toml", "status"]).config == Path("a.toml")
    assert command.parse(["status", "--config", "b.toml"]).config == Path("b.toml")
    after = command.parse(["--config", "a.toml", "identity", "show", "--config", "c.toml"])
    assert after.config == Path("c.toml")
    assert command.parse(["--config", "a.toml", "identity", "show"]).config == Path("a.toml")


def test_a_missing_module_is_a_clear_message() -> None:
    ghost = Verb("ghost", "gateway.cli.ghost", "haunt", ("devwiz-gw ghost",))
    with pytest.raises(UsageError, match="'ghost' is not part of this installation") as caught:
        command.verb_parser(ghost)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (NotRunning("nobody there", hint="start it"), 2, "error: nobody there\nhint: start it\n"),
        (StartFailed("port 8701 is taken"), 1, "error: port 8701 is taken\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_verb_raises_becomes_text_and_a_code(
    raised: BaseException,
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def action() -> int:
        raise raised

    assert command.reported(action) == code
    assert capsys.readouterr().err == text


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
        timeout=30,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        ["secret", "get", "--help"],
        ["secret", "get", "token"],
        ["secret", "list", "--json"],
        ["audit", "export", "--format", "csv"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_a_full_disk_is_told_of_by_every_command(
    words: list[str], unbuffered: str, workdir: Path
) -> None:
    (workdir / "devwiz-gw.toml").write_text(
        'project = "acme"\n[secrets]\nstore = "folder"\nfolder = "kept"\n'
    )
    (workdir / "kept").mkdir(mode=0o700)
    (workdir / "kept" / "token").write_text("canary")
    (workdir / "kept" / "token").chmod(0o600)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            cwd=workdir,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(workdir / "home"),
                "XDG_STATE_HOME": str(workdir / "state"),
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": unbuffered,
            },
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    said = done.stderr.decode()
    assert done.returncode == ExitCode.FAILED
    assert said.startswith("error: the output can't be written: no space left on device\nhint: ")
    assert said.count("\n") == 2


def test_remarks_that_can_not_be_written_stop_nothing() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "nonsense"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stdout) == (ExitCode.NOT_RUNNING, b"")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ["client"],
            "no command of 'devwiz-gw client' is named",
            "it has print, install, remove; see 'devwiz-gw client --help'",
        ),
        (
            ["audit", "tail", "--bogus"],
            "unrecognized arguments: --bogus",
            "see 'devwiz-gw audit tail --help'",
        ),
        (
            ["vault", "slots", "add", "passphrase", "--bogus"],
            "unrecognized arguments: --bogus",
            "see 'devwiz-gw vault slots add",
        ),
    ],
)
def test_a_mistake_leads_to_the_help_of_what_was_meant(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(words) == ExitCode.NOT_RUNNING
    assert capsys.readouterr().err.startswith(f"error: {message}\nhint: {hint}")


def test_every_exit_code_has_a_meaning() -> None:
    assert all(code.meaning.endswith(".") for code in ExitCode)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["login", "langsmith", "canary"], "unrecognized arguments: …"),
        (["login", "langsmith", "--key", "canary"], "unrecognized arguments: --key …"),
        (["login", "configu", "--token=canary"], "unrecognized arguments: --token …"),
        (["mfa", "add", "-pcanary"], "unrecognized arguments: …"),
        (["rotate", "x", "--new-value=canary"], "argument --new-value: it takes no value"),
        (["secret", "set", "API_KEY=canary"], "secret name 'API_KEY=' is not usable"),
        (["secret", "get", "API_KEY", "can ary"], "unrecognized arguments: …"),
    ],
)
def test_what_may_be_a_value_is_not_repeated(
    words: list[str], told: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "devwiz-gw.toml").write_text(
        'project = "acme"\n[secrets]\nstore = "folder"\nfolder = "."\n'
    )
    assert command.main(words) != 0
    said = capsys.readouterr().err
    assert told in said
    assert "canary" not in said
    assert "can ary" not in said
