"""`gateway.cli.completion`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.completion import names_of
from gateway.cli.completion_table import NAMED, all_commands
from gateway.cli.completion_words import NAMES
from gateway.cli.main import main
from gateway.cli.verbs import VERBS
from tests.components import require_component

CONFIG = """
project = "acme"
[secrets]
store = "keychain"
[[routes]]
name = "planner"
[[routes]]
name = "$(touch pwned)"
[[routes]]
name = "`touch pwned`"
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
[run]
secrets = ["other"]
[run.env]
API_KEY = "secret:key"
DB = "db://{secret:db}@h"
[tokens.idp]
source = "file"
[identities.second]
source = "files"
[rotate.planner]
provider = "prompt"
"""

#: What is typed, and what of the answers is expected: all of them, or some.
ALL = [
    ("devwiz-gw iden", {"identity"}),
    ("devwiz-gw identity re", {"renew", "rehearse"}),
    ("devwiz-gw vault slots ", {"add", "list", "remove"}),
    ("devwiz-gw vault slots add k", {"keychain"}),
    ("devwiz-gw run --del", {"--deliver"}),
    ("devwiz-gw run --deliver ", {"env", "fd", "fifo", "file"}),
    ("devwiz-gw run --deliver fd --ma", {"--mask"}),
    ("devwiz-gw secret get ", {"db", "key", "other", "planner-token"}),
    ("devwiz-gw secret get --project x k", {"key"}),
    ("devwiz-gw --config devwiz-gw.toml secret rm p", {"planner-token"}),
    ("devwiz-gw client print p", {"planner"}),
    ("devwiz-gw healthcheck --route ", {"planner"}),
    ("devwiz-gw envrc start --only ", {"API_KEY", "DB"}),
    ("devwiz-gw run --only DB,A", {"DB,API_KEY"}),
    ("devwiz-gw identity renew s", {"second"}),
    ("devwiz-gw rotate pl", {"planner"}),
    ("devwiz-gw logout supabase --token ", {"idp"}),
    ("devwiz-gw secret import some", {"some file.txt"}),
    ("devwiz-gw identity export --dir fold", {"folder"}),
    ("devwiz-gw scan one some", {"some file.txt"}),
    ("devwiz-gw run -- someprog", {"someprogram"}),
    ("devwiz-gw run -- cat some", {"some file.txt"}),
    ("devwiz-gw run cat some", {"some file.txt"}),
    ("devwiz-gw completion ", {"bash", "fish", "zsh"}),
    ("devwiz-gw audit query --name ", set()),
]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A folder with a configuration, and the command in the path."""
    (tmp_path / "devwiz-gw.toml").write_text(CONFIG)
    (tmp_path / "some file.txt").touch()
    (tmp_path / "folder").mkdir()
    (programs := tmp_path / "bin").mkdir()
    for name, words in (
        ("devwiz-gw", f'exec {sys.executable} -m gateway "$@"'),
        ("someprogram", ":"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{words}\n")
        (programs / name).chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(Path(__file__).parents[4]),
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def script(env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The shell that the test is for, its script written to its folder."""
    shell: str = request.param
    require_component(shell)
    with (tmp_path / f"script.{shell}").open("w") as file:
        command = ["devwiz-gw", "completion", shell]
        subprocess.run(command, env=env, cwd=tmp_path, stdout=file, check=True, timeout=30)
    return shell


BASH = """
. ./script.bash
for line in "$@"; do
  read -r -a COMP_WORDS <<< "$line"
  [ "${line% }" = "$line" ] || COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _devwiz_gw
  printf "$line|%s\\n" "${COMPREPLY[@]}"
done
"""


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script: str, env: dict[str, str], tmp_path: Path) -> None:
    lines = [line for line, _ in ALL]
    done = subprocess.run(
        [script, "-c", BASH, "bash", *lines],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    assert_all(done.stdout)
    assert not (tmp_path / "pwned").exists()


FISH = """
source script.fish
for line in $argv
  printf "$line|%s\\n" (complete -C $line | string split -f1 \\t)
end
"""


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: str, env: dict[str, str], tmp_path: Path) -> None:
    lines = [line for line, _ in ALL]
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [script, "--no-config", "-c", FISH, *lines],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    assert_all(done.stdout)
    assert not (tmp_path / "pwned").exists()


#: In the inner shell, which has a terminal: what it would offer at the tab key goes to a file.
ZSH = """
autoload -U compinit
compinit -D -u
. ./script.zsh
compadd() {
  local -a hits
  builtin compadd -O hits "$@"
  (( $#hits )) && printf "$TYPED|%s\\n" "${(@)hits/#/$IPREFIX}" >> found
  builtin compadd "$@"
}
zle-line-init() { print -n 'is-''ready' }
tab() { zle complete-word; zle kill-whole-line; print -n 'has-''tabbed' }
zle -N zle-line-init
zle -N tab
bindkey '^I' tab
LISTMAX=1000
"""
ZSH_OUTER = """
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'PS1=; . ./inner.zsh'
zpty -r inner seen '*is-ready*'
for line in "$@"; do
  zpty -w inner "TYPED=${(qq)line}"
  zpty -r inner seen '*is-ready*'
  zpty -n -w inner "$line"$'\\t'
  zpty -r inner seen '*has-tabbed*'
done
"""


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh(script: str, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "inner.zsh").write_text(ZSH)
    lines = [line for line, _ in ALL]
    subprocess.run(
        [script, "-f", "-c", ZSH_OUTER, "zsh", *lines],
        env=env | {"TERM": "dumb"}, cwd=tmp_path, check=True, timeout=120,
    )  # fmt: skip
    assert_all((tmp_path / "found").read_text())


def assert_all(text: str) -> None:
    found: dict[str, set[str]] = {line: set() for line, _ in ALL}
    for row in text.splitlines():
        line, _, answer = row.partition("|")
        found[line] |= {answer.rstrip("/").replace("\\ ", " ")} - {""}
    assert found == dict(ALL)


def test_each_named_argument_is_there() -> None:
    asked = {
        (command.path, value.kind)
        for command in all_commands()
        for value in [*command.places, *(option.value for option in command.options)]
        if value is not None and value.kind in NAMES
    }
    assert asked == {(path, kind) for (path, _), kind in NAMED.items()}


def test_all_verbs_are_known() -> None:
    top, *others = all_commands()
    assert [name for name, _ in top.commands] == [verb.name for verb in VERBS]
    known = {command.path for command in others}
    for command in [top, *others]:
        assert {f"{command.path} {name}".strip() for name, _ in command.commands} <= known


@pytest.mark.parametrize("raw", [{}, {"run": 3, "routes": {}, "tokens": []}])
def test_names_of_a_configuration_that_is_being_written(raw: dict[str, object]) -> None:
    assert [names_of(kind, raw) for kind in (*NAMES, "other")] == [
        set(), set(), set(), {"default"}, set(), set(), set()
    ]  # fmt: skip


def test_without_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion"]) == 2
    assert "no shell is named" in capsys.readouterr().err
