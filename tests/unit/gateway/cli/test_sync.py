"""`gateway.cli.sync`, as far as it needs no store, and what it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.cli.sync_view import document, lines, summary
from gateway.config.model import ConfiguConfig
from gateway.configu.contact import Contact
from gateway.configu.sync import Report
from identity.configu.comparison import Finding
from tests.unit.gateway.cli.test_login import CONFIG

CONFIGU = '[configu]\norg = "o"\nschemas = ["app.cfgu.json"]\n'
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "arguments", "code", "told"),
    [
        ("", ["sync"], 2, "has no [configu]"),
        ("", ["login", "configu"], 2, "has no [configu]"),
        ("", ["logout", "configu"], 2, "has no [configu]"),
        (CONFIGU, ["sync", "--dry-run", "--status"], 2, "not allowed with"),
        (CONFIGU, ["sync", "--status", "--take", "A"], 2, "--take goes with"),
        (CONFIGU, ["sync", "--push", "A", "--take", "A"], 2, "--take goes with"),
        (CONFIGU, ["sync", "--watch", "0"], 2, "between"),
        (CONFIGU + '[secrets]\nstore = "memory"\n', ["sync"], 1, "problem"),
    ],
)
def test_what_can_not_be_done_is_told(
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    more: str,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    (workdir / "devwiz-gw.toml").write_text(CONFIG + more)
    assert main(arguments) == code
    assert told in capsys.readouterr().err


def told(report: Report, contact: Contact, *, dry_run: bool = False) -> dict[str, Any]:
    config = ConfiguConfig(
        url="https://c.example",
        org="o",
        set="prod",
        schemas=(),
        tag="",
        interval_s=60,
        max_offline_s=3600,
        ca_file=None,
    )
    return document("acme", config, report, contact, now=NOW, dry_run=dry_run)


def test_what_is_shown() -> None:
    report = Report(
        findings=(
            Finding(name="A", kind="same"),
            Finding(name="LD_PRELOAD", kind="new"),
            Finding(name="D", kind="drift", reason="the store has another value"),
        ),
        written=("LD_PRELOAD",),
        unchecked=("A",),
    )
    shown = told(report, Contact(asked_at=NOW, answered_at=NOW - timedelta(minutes=2)))
    assert not shown["good"]
    assert lines(shown) == [
        "NAME        STATE         WHY",
        "LD_PRELOAD  new, written  -",
        "D           drift         the store has another value",
    ]
    assert summary(shown) == [
        "1 same, 1 new, 1 drift; Configu (prod) answered 2m 00s ago",
        "drift is left as it is: --take NAME takes Configu's value, --push NAME gives it yours",
        "tests that only Configu's own client can run were left out: A",
        "LD_PRELOAD is kept as a secret only: as a variable it makes programs load code",
    ]


def test_a_dry_run_and_an_old_answer() -> None:
    report = Report(findings=(Finding(name="A", kind="changed"),))
    shown = told(report, Contact(problem="503"), dry_run=True)
    assert not shown["good"]
    text = "\n".join(summary(shown))
    assert "nothing was written" in text
    assert "never answered" in text
    assert "not answered: 503" in text
    assert "too old to be used: nobody knows" in text


def test_nothing_to_show() -> None:
    shown = told(Report(findings=()), Contact(answered_at=NOW))
    assert shown["good"]
    assert lines(shown) == []
    assert summary(shown) == ["no configs; Configu (prod) answered 0s ago"]
