"""`gateway.config.run`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.model import InjectedVariable, RunConfig
from gateway.config.run import read_run
from gateway.config.table import Table
from gateway.config.variable_names import check_name, danger_of, steering_of
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


@pytest.mark.parametrize(
    "name",
    ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "GRPC_PROXY", "DOCKER_HOST",
     "KUBECONFIG", "PIP_INDEX_URL", "PIP_TRUSTED_HOST", "UV_INDEX_URL", "npm_config_registry",
     "GIT_CONFIG_GLOBAL", "CURL_HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE",
     "NODE_EXTRA_CA_CERTS", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "OPENAI_BASE_URL",
     "BASE_URL", "OPENAI_API_BASE", "OTEL_EXPORTER_OTLP_ENDPOINT", "GOPROXY", "PGHOST",
     "VAULT_ADDR", "CLOUDSDK_PYTHON", "LD_PRELOAD"],
)  # fmt: skip
def test_names_that_steer_traffic_and_trust(name: str) -> None:
    assert steering_of(name)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "DOCKER_HOST", "OPENAI_BASE_URL", "KUBECONFIG"])
def test_a_manifest_may_name_those_that_steer_traffic_only(name: str) -> None:
    assert not danger_of(name)
    run, problems = read({"env": {name: "http://127.0.0.1:8701"}})
    assert ([item.name for item in run.env], problems) == ([name], [])


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "DATABASE_URL", "PROXY", "PIPER", "ENDPOINTS"])
def test_names_that_steer_nothing(name: str) -> None:
    assert not steering_of(name)
