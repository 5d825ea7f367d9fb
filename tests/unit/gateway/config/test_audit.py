"""`gateway.config.audit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.audit import read_audit, refuse_unkept_names
from gateway.config.audit_model import AuditConfig, ForwardConfig
from gateway.config.model import HeaderTemplate, SecretsConfig
from gateway.config.table import Table
from gateway.errors import ConfigProblem
from tests.fakes import configs

BASE = Path("/etc/gw")
KEY = HeaderTemplate("x-api-key", ("", "langsmith-api-key", ""))


def read(values: dict[str, Any]) -> tuple[AuditConfig, dict[str, str]]:
    problems: list[ConfigProblem] = []
    config = read_audit(Table(values, "audit", problems), base=BASE, project="acme")
    return config, {problem.key: problem.message for problem in problems}


def forward(**values: Any) -> ForwardConfig:
    config, problems = read({"forward": {"far": values}})
    assert problems == {}
    (item,) = config.forward
    return item


def problems_of(**values: Any) -> dict[str, str]:
    _, problems = read({"forward": {"far": values}})
    return {key.removeprefix("audit.forward.far."): why for key, why in problems.items()}


def test_without_the_table_nothing_is_forwarded() -> None:
    assert read({}) == (AuditConfig(), {})


def test_langsmith_needs_no_more_than_its_kind() -> None:
    assert forward(kind="langsmith") == ForwardConfig(
        name="far",
        kind="langsmith",
        to="https://api.smith.langchain.com",
        headers=(KEY,),
        project="devwiz-gw-audit",
        facility=10,
    )


def test_everything_at_once() -> None:
    item = forward(
        kind="langsmith",
        endpoint="https://smith.example/api/v1/",
        langsmith_project="audit",
        names="hashed",
        ca_file="ca.pem",
        headers={"X-API-Key": "{secret:other}", "X-Tenant-Id": "7d"},
    )
    assert (item.to, item.project) == ("https://smith.example/api/v1", "audit")
    assert item.hashed_names
    assert item.ca_file == BASE / "ca.pem"
    assert [header.name for header in item.headers] == ["X-API-Key", "X-Tenant-Id"]
    assert item.owner == "[audit.forward.far]"


def test_a_collector() -> None:
    item = forward(kind="otlp", endpoint="http://127.0.0.1:4318/")
    assert (item.to, item.headers) == ("http://127.0.0.1:4318", ())


@pytest.mark.parametrize(
    "address",
    ["unix:///dev/log", "udp://10.0.0.1:514", "tcp://logs.example:601", "tls://[2001:db8::1]:6514"],
)
def test_syslog(address: str) -> None:
    item = forward(kind="syslog", address=address, allow_plaintext=True)
    assert item.to == address


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("udp://10.0.0.1:514", True),
        ("tcp://logs.example:601", True),
        ("tcp://[2001:db8::1]:601", True),
        ("tls://logs.example:6514", False),
        ("udp://127.0.0.1:514", False),
        ("tcp://[::1]:601", False),
        ("tcp://localhost:601", False),
        ("unix:///dev/log", False),
    ],
)
def test_lines_leave_in_plaintext_only_if_that_is_said(address: str, *, is_refused: bool) -> None:
    problems = problems_of(kind="syslog", address=address)
    assert ("in plaintext" in problems.get("address", "")) is is_refused
    assert problems_of(kind="syslog", address=address, allow_plaintext=True) == {}


def test_a_collector_elsewhere_gets_no_plaintext_unasked_and_secrets_never() -> None:
    far = {"kind": "otlp", "endpoint": "http://collector.example:4318"}
    assert "the journal over a network" in problems_of(**far)["endpoint"]
    assert problems_of(**far, allow_plaintext=True) == {}
    key = {"Authorization": "{secret:token}"}
    problems = problems_of(**far, allow_plaintext=True, headers=key)
    assert "secrets over a network" in problems["endpoint"]


def test_syslog_of_this_machine() -> None:
    item = forward(kind="syslog", facility="local3")
    assert (item.to, item.facility) == ("unix:///dev/log", 19)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "kind"),
        ({"kind": "kafka"}, "kind"),
        ({"kind": "otlp"}, "endpoint"),
        ({"kind": "otlp", "endpoint": "http://c/v1/logs"}, "endpoint"),
        ({"kind": "langsmith", "endpoint": "http://smith.example"}, "endpoint"),
        ({"kind": "langsmith", "endpoint": "ftp://x"}, "endpoint"),
        ({"kind": "langsmith", "address": "unix:///dev/log"}, "address"),
        ({"kind": "langsmith", "headers": {"Content-Type": "x"}}, "headers.Content-Type"),
        ({"kind": "syslog", "endpoint": "http://c"}, "endpoint"),
        ({"kind": "syslog", "headers": {"X": "y"}}, "headers"),
        ({"kind": "syslog", "address": "/dev/log"}, "address"),
        ({"kind": "syslog", "address": "unix://dev/log"}, "address"),
        ({"kind": "syslog", "address": "http://x:1"}, "address"),
        ({"kind": "syslog", "address": "tcp://x"}, "address"),
        ({"kind": "syslog", "address": "tcp://x:0"}, "address"),
        ({"kind": "syslog", "address": "tcp://a b:1"}, "address"),
        ({"kind": "syslog", "facility": "kern"}, "facility"),
        ({"kind": "syslog", "names": "none"}, "names"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(values: dict[str, Any], key: str) -> None:
    assert list(problems_of(**values)) == [key]


def test_a_name_is_a_word() -> None:
    _, problems = read({"forward": {"a/b": {"kind": "syslog"}}})
    assert list(problems) == ['audit.forward."a/b"']


@pytest.mark.parametrize(("store", "count"), [("keychain", 0), ("vault", 0), ("folder", 1)])
def test_names_are_hashed_where_the_key_is_kept(store: Any, count: int) -> None:
    item = forward(kind="syslog", names="hashed")
    config = replace(
        configs.config(BASE), secrets=SecretsConfig(store=store), audit=AuditConfig(forward=(item,))
    )
    problems: list[ConfigProblem] = []
    refuse_unkept_names(Table({}, "", problems), config)
    assert len(problems) == count
