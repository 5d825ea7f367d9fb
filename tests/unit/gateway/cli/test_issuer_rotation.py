"""`devwiz-gw issuer rotate-ca` and `renew-window`: what they print and refuse."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main


@pytest.fixture
def folder(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An issuer made by the command."""
    folder = workdir / "issuer"
    assert main(["issuer", "init", "--dir", str(folder), "--trust-domain", "acme.example"]) == 0
    capsys.readouterr()
    return folder


@pytest.fixture
def rotate(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `rotate-ca --json` with options and gives the document."""

    def run(*options: str) -> dict[str, Any]:
        assert main(["issuer", "rotate-ca", "--dir", str(folder), *options, "--json"]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return run


def test_every_phase_by_hand(rotate: Any) -> None:
    seen = []
    for phase in ("init", "update_clients", "update_servers", "standby"):
        document = rotate("--phase", phase)
        assert (document["phase"], document["changed"]) == (phase, True)
        signers = [
            next(item["number"] for item in document["authorities"] if item[key])
            for key in ("signs_for_workloads", "signs_for_server")
        ]
        seen.append((document["bundle_sequence"], *signers))
    assert seen == [(2, 1, 1), (3, 2, 1), (4, 2, 2), (5, 2, 2)]
    old, new = rotate()["authorities"]
    assert (old["until"] is None, new["until"] is None) == (False, True)


def test_back_and_settled(rotate: Any) -> None:
    rotate("--phase", "init")
    assert rotate("--rollback")["phase"] == "rollback"
    assert rotate("--phase", "rollback")["changed"] is False
    assert rotate("--phase", "standby")["phase"] == "standby"


def test_left_to_itself(rotate: Any) -> None:
    document = rotate("--auto", "--grace", "2h")
    assert document["phase"] == "init"
    assert document["next_phase_at"] > document["since"]
    assert rotate()["next_phase_at"] == document["next_phase_at"]


def test_where_it_stands_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["issuer", "rotate-ca", "--dir", str(folder)]) == 0
    said = capsys.readouterr()
    assert "standby" in said.out
    assert "workloads, its server" in said.out
    assert "--phase init" in said.err
    for _ in range(2):
        assert main(["issuer", "rotate-ca", "--dir", str(folder), "--phase", "init"]) == 0
    assert "in init already" in capsys.readouterr().err
    assert main(["issuer", "rotate-ca", "--dir", str(folder), "--auto", "--grace", "5m"]) == 0
    assert "by itself in " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--phase", "update_servers"], "no step leads from standby to update_servers"),
        (["--rollback"], "nothing to roll back"),
        (["--grace", "1h"], "--grace goes with --auto only"),
        (["--auto", "--grace", "0s"], "grace period"),
        (["--auto", "--rollback"], "not allowed with"),
        (["--phase", "sideways"], "invalid choice"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["issuer", "rotate-ca", "--dir", str(folder), *options]) != 0
    shown = capsys.readouterr().err
    assert said in shown
    assert "hint:" in shown


def test_renewals_are_pulled_forward(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["issuer", "renew-window", "--dir", str(folder), "--within", "10m"]
    assert main(command) == 0
    assert "asked 0 instances" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["renewals_asked_at"]
    assert document["bundle_sequence"] == 3
    assert main(["issuer", "renew-window", "--dir", str(folder), "--within", "9d"]) == 1
    assert "spread" in capsys.readouterr().err


def test_a_token_comes_with_the_pins_of_both_authorities_meanwhile(
    folder: Path, capsys: pytest.CaptureFixture[str], rotate: Any
) -> None:
    def pins() -> Any:
        assert main(["issuer", "token", "--dir", str(folder), "--name", "planner"]) == 0
        return tomllib.loads(capsys.readouterr().out)["identity"]["issuer"]["ca_pin"]

    old = pins()
    authorities = rotate("--phase", "init")["authorities"]
    new = authorities[1]["ca_pin"]
    assert pins() == [old, new]
    for phase in ("update_clients", "update_servers"):
        rotate("--phase", phase)
    assert pins() == [new, old]
    rotate("--phase", "standby")
    assert pins() == new
