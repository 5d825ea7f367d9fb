from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.configu import read_configu
from gateway.config.model import ConfiguConfig, SecretsConfig
from gateway.config.table import Table
from gateway.errors import ConfigProblem

GOOD = {"org": "o", "schemas": ["app.cfgu.json"]}
BASE = Path("/etc")


def read(raw: dict[str, Any], store: Any = "vault") -> tuple[ConfiguConfig, list[ConfigProblem]]:
    problems: list[ConfigProblem] = []
    table = Table(raw, "configu", problems)
    return read_configu(table, base=BASE, secrets=SecretsConfig(store=store)), problems


def test_the_least_table() -> None:
    config, problems = read(GOOD)
    assert problems == []
    assert config == ConfiguConfig(
        url="https://api.configu.com",
        org="o",
        set="",
        schemas=(BASE / "app.cfgu.json",),
        tag="",
        interval_s=60.0,
        max_offline_s=86_400.0,
        ca_file=None,
    )


def test_a_full_table() -> None:
    more = {
        "url": "http://127.0.0.1:9",
        "set": "/prod/eu",
        "tag": "v1",
        "interval_s": 5,
        "max_offline_s": 60,
        "ca_file": "ca.pem",
        "schemas": ["/a.cfgu.yaml", "b.yml"],
    }
    config, problems = read(GOOD | more, "keychain")
    assert problems == []
    assert (config.set, config.tag, config.interval_s) == ("prod/eu", "v1", 5.0)
    assert config.schemas == (Path("/a.cfgu.yaml"), BASE / "b.yml")
    assert config.ca_file == BASE / "ca.pem"


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ({"org": "a b"}, "configu.org", "space"),
        ({"schemas": []}, "configu.schemas", "is empty"),
        ({"schemas": ["app.toml"]}, "configu.schemas[0]", "no schema"),
        ({"set": "prod/"}, "configu.set", "can't be the name"),
        ({"url": "http://configu.example"}, "configu.url", "https"),
        ({"tag": "é"}, "configu.tag", "ASCII"),
        ({"interval_s": 1}, "configu.interval_s", "between"),
        ({"max_offline_s": 1}, "configu.max_offline_s", "between"),
        ({"store": "vault"}, "configu.store", "[secrets]"),
        ({"token": "x"}, "configu.token", "unknown key"),
    ],
)
def test_what_is_wrong_is_told_at_its_key(more: dict[str, Any], key: str, message: str) -> None:
    _, problems = read(GOOD | more)
    assert [problem.key for problem in problems] == [key]
    assert message in problems[0].message


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_the_store_has_to_keep_what_it_is_given(store: str) -> None:
    assert [problem.key for problem in read(GOOD, store)[1]] == ["secrets.store"]


def test_org_and_schemas_are_needed() -> None:
    assert {problem.key for problem in read({})[1]} == {"configu.org", "configu.schemas"}
