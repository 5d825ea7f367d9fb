"""`gateway.config.run`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.model import InjectedVariable, RunConfig
from gateway.config.run import read_run
from gateway.config.table import Table
from gateway.config.variable_names import check_name, danger_of
from gateway.errors import ConfigProblem


def read(raw: dict[str, Any]) -> tuple[RunConfig, list[ConfigProblem]]:
    problems: list[ConfigProblem] = []
    return read_run(Table(raw, "run", problems), project="acme"), problems


def test_a_manifest() -> None:
    run, problems = read(
        {
            "secrets": ["other"],
            "allow_dangerous": ["PYTHONPATH"],
            "env": {
                "KEY": "secret:key",
                "URL": "db://{secret:user}:{secret:pw}@h/{{x}}",
                "TOKEN": "token:idp",
                "EMPTY": "",
                "PYTHONPATH": "/src",
            },
        }
    )
    assert problems == []
    assert run.env == (
        InjectedVariable("KEY", ("", "key", "")),
        InjectedVariable("URL", ("db://", "user", ":", "pw", "@h/{x}")),
        InjectedVariable("TOKEN", ("", "token:idp", "")),
        InjectedVariable("EMPTY", ("",)),
        InjectedVariable("PYTHONPATH", ("/src",)),
    )
    assert run.allowed == {"key", "user", "pw", "other", "token:idp"}
    assert [item.token_names for item in run.env] == [(), (), ("idp",), (), ()]
    assert run.env[1].filled({"user": "u", "pw": "p:w"}) == "db://u:p:w@h/{x}"


def test_without_a_manifest_nothing_is_allowed() -> None:
    run, problems = read({})
    assert (run.env, run.allowed, problems) == ((), frozenset(), [])


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"env": {"1X": "secret:a"}}, "run.env.1X"),
        ({"env": {"A=B": "secret:a"}}, 'run.env."A=B"'),
        ({"env": {"LD_PRELOAD": "secret:a"}}, "run.env.LD_PRELOAD"),
        ({"env": {"Path": "x"}}, "run.env.Path"),
        ({"env": {"A": "{secret:../x}"}}, "run.env.A"),
        ({"env": {"A": "{token"}}, "run.env.A"),
        ({"env": {"A": "token:T"}}, "run.env.A"),
        ({"env": {"A": 3}}, "run.env.A"),
        ({"secrets": ["a/b"]}, "run.secrets[0]"),
        ({"allow_dangerous": ["A B"]}, "run.allow_dangerous[0]"),
        ({"envv": {}}, "run.envv"),
    ],
)
def test_what_is_wrong_is_told_at_its_key(raw: dict[str, Any], key: str) -> None:
    _, problems = read(raw)
    assert [problem.key for problem in problems] == [key]


@pytest.mark.parametrize(
    "name",
    ["PATH", "LD_PRELOAD", "ld_library_path", "DYLD_INSERT_LIBRARIES", "PYTHONSTARTUP",
     "NODE_OPTIONS", "BASH_ENV", "GIT_SSH_COMMAND", "npm_config_script_shell", "DEVWIZ_GW_RUN",
     "LESSOPEN", "RUSTC_WRAPPER", "SSL_CERT_FILE", "NODE_TLS_REJECT_UNAUTHORIZED"],
)  # fmt: skip
def test_names_that_steer_programs(name: str) -> None:
    assert danger_of(name)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "PATHS", "MY_PATH", "LDAP_URL", "NODE_ENV"])
def test_names_that_only_give_values(name: str) -> None:
    assert not danger_of(name)
    assert not check_name(name)


@pytest.mark.parametrize("name", ["", "A B", "ä", "A=", "A\n", "A\0", "9"])
def test_names_that_are_none(name: str) -> None:
    assert check_name(name)
