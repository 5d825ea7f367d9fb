"""The manifest's variables, narrowed or added to by the command line, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.run.conftest import COMMAND, DEADLINE_S, KEY, PASSWORD, Project


def test_all_of_the_manifest(project: Project) -> None:
    code, out, err = project.run("--", "sh", "-c", "echo $API_KEY $DB_URL")
    assert (code, err) == (0, "")
    assert out.split() == [KEY, f"postgres://app:{PASSWORD}@localhost/app"]


def test_only_some_of_it_and_one_more(project: Project) -> None:
    code, out, _ = project.run("--only", "API_KEY", "--env", "PW=secret:password", "--", "env")
    assert code == 0
    variables = dict(line.split("=", 1) for line in out.splitlines())
    assert (variables["API_KEY"], variables["PW"]) == (KEY, PASSWORD)
    assert "DB_URL" not in variables


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--only", "THIRD"], "THIRD is not under [run.env]"),
        (["--env", "X=secret:third"], "secret third may not be given to programs"),
        (["--env", "LD_PRELOAD=secret:key"], "makes programs load code"),
    ],
)
def test_nothing_else(project: Project, arguments: list[str], why: str) -> None:
    code, out, err = project.run(*arguments, "--", "env")
    assert (code, out) == (1, "")
    assert why in err


def test_never_of_another_project_than_the_manifest_s(project: Project) -> None:
    code, out, err = project.run("--project", "other", "--", "env")
    assert (code, out) == (2, "")
    assert "--project" in err


def test_a_name_that_steers_programs_as_a_file(project: Project) -> None:
    asked = ["--env", "SSL_CERT=secret:key"]
    assert project.run(*asked, "--", "true")[0] == 0
    code, out, err = project.run(*asked, "--deliver", "file", "--", "env")
    assert (code, out) == (1, "")
    assert "SSL_CERT_FILE decides whom programs trust" in err


def test_a_pristine_environment(project: Project) -> None:
    project.env |= {"SOME": "thing", "KEPT": "1"}
    _, out, _ = project.run("--pristine", "--keep", "KEPT", "--", "env")
    names = {line.split("=", 1)[0] for line in out.splitlines()}
    assert names - {"_", "PWD", "SHLVL", "OLDPWD", "LC_CTYPE"} == {
        "API_KEY", "DB_URL", "DEVWIZ_GW_RUN", "HOME", "KEPT", "PATH", "TERM", "XDG_RUNTIME_DIR",
    }  # fmt: skip


@pytest.mark.parametrize("deliver", ["fd", "fifo", "file"])
def test_a_value_that_is_in_no_environment(project: Project, deliver: str) -> None:
    script = 'cat "$API_KEY_FILE"; echo; cat "$API_KEY_FILE"; echo; env'
    code, out, _ = project.run("--deliver", deliver, "--", "sh", "-c", script)
    first, second, *environment = out.splitlines()
    assert (code, first, second) == (0, KEY, KEY)
    assert KEY not in "".join(environment)


def test_each_use_is_in_the_journal_before(project: Project) -> None:
    project.run("--only", "API_KEY", "--", "true")
    (journal,) = Path(project.env["XDG_STATE_HOME"]).rglob("audit.jsonl")
    (event,) = map(json.loads, journal.read_text().splitlines())
    assert (event["action"], event["name"], event["reason"]) == ("secret.inject", "key", "true")
    assert (event["variable"], event["delivery"]) == ("API_KEY", "env")
    journal.unlink()
    journal.mkdir()
    code, out, err = project.run("--", "echo", "ran")
    assert (code, out) == (1, "")
    assert "can't write the audit journal" in err


def test_no_value_takes_the_place_of_an_output_that_is_closed(project: Project) -> None:
    script = 'exec "$@" >&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, "--deliver", "fd", "--", sys.executable, "-c", SEEN],
        cwd=project.folder,
        env=project.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stdout, delivered = done.stderr.decode().split()
    assert stdout == "/dev/null"
    assert not delivered.endswith("/1")


SEEN = """
import os, sys
print(os.readlink("/proc/self/fd/1"), os.environ["API_KEY_FILE"], file=sys.stderr)
"""
