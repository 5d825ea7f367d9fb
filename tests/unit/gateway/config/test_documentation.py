"""docs/configuration.md says what the parser does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.files import journal_path
from gateway.config.model import Limits
from gateway.config.parse import parse
from gateway.errors import ConfigInvalid

PAGE = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text()
WHOLE_FILE = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
KNOWN = re.compile(r"known here: (.*)$")


def read(raw: dict[str, Any]) -> None:
    parse(raw, path=Path("/etc/devwiz-gw.toml"), max_socket_path=107)


def test_the_whole_file_is_good() -> None:
    read(WHOLE_FILE)


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_each_limit_has_its_default(limit: Any) -> None:
    row = re.search(
        rf"^\| `{limit.name}` \|.*\| `([0-9.]+)` \| ([0-9.]+) \| ([0-9.]+) \|$", PAGE, re.M
    )
    assert row is not None
    default, least, most = (float(text) for text in row.groups())
    assert default == getattr(Limits(), limit.name)
    for bound, step in ((least, -0.05), (most, 1)):
        inside = int(bound) if limit.type == "int" else bound
        read(WHOLE_FILE | {"limits": {limit.name: inside}})
        outside = inside + (step if limit.type == "float" else round(step * 20))
        with pytest.raises(ConfigInvalid):
            read(WHOLE_FILE | {"limits": {limit.name: outside}})


@pytest.mark.parametrize(
    "table",
    [
        "identity",
        "identity.issuer",
        "identity.files",
        "identity.step-ca",
        "identity.vault",
        "identity.spiffe",
        "identity.google-wif",
        "routes",
        "admin",
        "secrets",
        "configu",
        "log",
        "mfa",
        "telemetry",
        "workload_api",
    ],
)
def test_each_known_key_is_described(table: str) -> None:
    """An unknown key makes the parser list those that it knows."""
    raw: dict[str, Any] = {}
    inner = raw
    for name in table.split("."):
        inner[name] = {}
        inner = inner[name]
    inner["?"] = 1
    if table == "routes":
        raw["routes"] = [raw["routes"]]
    with pytest.raises(ConfigInvalid) as caught:
        read(raw)
    (known,) = [
        found[1]
        for problem in caught.value.problems
        if problem.key.endswith('"?"') and (found := KNOWN.search(problem.hint))
    ]
    for key in known.split(", "):
        assert f"| `{key}` |" in PAGE or f"{table}.{key}]" in PAGE


@pytest.mark.parametrize("kind", ["langsmith", "otlp", "syslog"])
def test_each_key_of_a_forwarder_is_described(kind: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read({"audit": {"forward": {"f": {"kind": kind, "?": 1}}}})
    (known,) = [
        found[1]
        for problem in caught.value.problems
        if problem.key == 'audit.forward.f."?"' and (found := KNOWN.search(problem.hint))
    ]
    section = PAGE[PAGE.index("### `[audit.forward.NAME]`") :].split("\n## ")[0]
    for key in known.split(", "):
        assert f"| `{key}` |" in section or f"[audit.forward.NAME.{key}]" in section


SOURCES = ("supabase", "client-credentials", "token-exchange", "google", "exec", "file")


@pytest.mark.parametrize("source", SOURCES)
def test_each_key_of_a_token_is_described(source: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read({"tokens": {"t": {"source": source, "?": 1}}})
    (known,) = [
        found[1]
        for problem in caught.value.problems
        if problem.key == 'tokens.t."?"' and (found := KNOWN.search(problem.hint))
    ]
    section = PAGE[PAGE.index(f'### `source = "{source}"`') :]
    section = PAGE[PAGE.index("## `[tokens.NAME]`") :][: -len(section)] + section.split("\n##")[0]
    for key in known.split(", "):
        assert f"`{key}`" in section


def test_the_journal_is_where_the_page_says() -> None:
    path = journal_path("PROJECT", {"XDG_STATE_HOME": "/state"})
    assert str(path).replace("/state", "`$XDG_STATE_HOME", 1) + "`" in PAGE
    path = journal_path("PROJECT", {"HOME": "/home"})
    assert f"`~/{path.relative_to('/home').parents[2]}`" in PAGE
