"""`gateway.cli.audit_acknowledge`, with a journal that is signed and a store that keeps its key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.event import Place
from gateway.audit.journal import Journal
from gateway.audit.key import key_ref, new_key, place_of, place_text, reached_ref, signer_of
from gateway.cli import audit_acknowledge, audit_expected
from gateway.cli.main import main
from gateway.cli.secret_scope import Scope
from gateway.cli.snapshot import Snapshot
from identity.secret_stores.base import Secret, SecretRef, not_set


class Kept(dict[SecretRef, Secret]):
    """A store in memory."""

    def get(self, ref: SecretRef) -> Secret:  # type: ignore[override]
        if ref not in self:
            raise not_set(ref)
        return self[ref]

    sealed = get

    def set(self, ref: SecretRef, value: Secret) -> None:
        self[ref] = value


class Rig:
    """A journal of three lines, signed, whose last ones were then cut off."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(
            folder / "state" / "devwiz-gw" / "acme" / "audit.jsonl", project="acme"
        )
        self.store = Kept({key_ref("acme"): new_key()})
        self.signer = signer_of(self.store[key_ref("acme")])
        for _ in range(3):
            self.journal.record("x", outcome="ok")
        place = self.journal.sign(self.signer)
        assert place is not None
        self.store.set(reached_ref("acme"), place_text(place))
        first = self.journal.path.read_bytes().splitlines(keepends=True)[0]
        self.journal.path.write_bytes(first)

    @contextmanager
    def opened(self, _args: object) -> Iterator[Any]:
        snapshot = Snapshot(named="acme")
        yield Scope(
            kind="vault",
            project="acme",
            store=self.store,  # type: ignore[arg-type]
            journal=self.journal,
            snapshot=snapshot,
        )


@pytest.fixture
def rig(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    made = Rig(workdir)
    monkeypatch.setattr(audit_acknowledge, "opened", made.opened)
    monkeypatch.setattr(audit_expected, "opened_by", made.opened)
    monkeypatch.setattr(audit_acknowledge, "agent_behind_us", lambda: "")
    return made


def findings(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["audit", "verify", "--project", "acme", "--json"])
    return code, json.loads(capsys.readouterr().out)


def acknowledge(*arguments: str, reason: str = "restored a backup") -> int:
    return main(["audit", "acknowledge", "--project", "acme", "--reason", reason, *arguments])


def test_a_finding_that_is_known_is_none_and_a_new_one_is(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = findings(capsys)
    (problem,) = told["problems"]
    assert (code, "the end is gone" in problem["what"]) == (1, True)
    assert acknowledge(problem["finding"][:12]) == 0
    code, told = findings(capsys)
    (known,) = told["acknowledged"]
    assert (code, told["ok"], told["problems"]) == (0, True, [])
    assert (known["what"], known["reason"]) == (problem["what"], "restored a backup")
    assert main(["audit", "verify", "--project", "acme"]) == 0
    assert "acknowledged by " in capsys.readouterr().out
    rig.journal.path.write_bytes(rig.journal.path.read_bytes().replace(b'"ok"', b'"no"', 1))
    code, told = findings(capsys)
    assert code == 1


def test_a_finding_that_nobody_acknowledged_stays(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.journal.path.write_bytes(rig.journal.path.read_bytes().replace(b'"seq":1', b'"seq":7'))
    _, told = findings(capsys)
    number, gone = sorted(told["problems"], key=lambda problem: "the end" in problem["what"])
    assert acknowledge(number["finding"]) == 0
    code, told = findings(capsys)
    assert (code, [item["what"] for item in told["problems"]]) == (1, [gone["what"]])
    assert acknowledge(gone["finding"]) == 0
    assert findings(capsys)[0] == 0


def test_the_gateway_goes_on_behind_it(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = findings(capsys)
    assert acknowledge(told["problems"][0]["finding"]) == 0
    reached = place_of(rig.store[reached_ref("acme")])
    assert reached.seq == 1
    assert rig.journal.has(reached)
    assert not rig.journal.has(Place(3, "f" * 64))


def test_an_agent_is_refused(
    rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, told = findings(capsys)
    monkeypatch.setattr(audit_acknowledge, "agent_behind_us", lambda: "Cursor")
    assert acknowledge(told["problems"][0]["finding"]) == 1
    assert "Cursor asks to acknowledge" in capsys.readouterr().err
    assert findings(capsys)[0] == 1


@pytest.mark.parametrize(
    ("finding", "reason", "why"),
    [
        ("0" * 64, "x", "is no finding"),
        ("", "x", "is no finding"),
        ("{}", " ", "the reason is empty"),
        ("{}", "x" * 1025, "longer than 1024"),
    ],
)
def test_what_is_none_is_refused(
    rig: Rig, capsys: pytest.CaptureFixture[str], finding: str, reason: str, why: str
) -> None:
    _, told = findings(capsys)
    lines = rig.journal.path.read_bytes()
    assert acknowledge(finding.format(told["problems"][0]["finding"]), reason=reason) == 2
    assert why in capsys.readouterr().err
    assert rig.journal.path.read_bytes() == lines


def test_without_a_key_nothing_is_acknowledged(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    del rig.store[key_ref("acme")]
    assert acknowledge("0" * 64) == 2
    assert "has no key to sign with" in capsys.readouterr().err
