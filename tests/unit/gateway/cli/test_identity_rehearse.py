"""`devwiz-gw identity rehearse`: what it prints, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.unit.gateway.cli.conftest import StartAdmin

CONFIG = f"""
project = "acme"
[identity]
source = "issuer"
[identity.issuer]
url = "https://127.0.0.1:1"
ca_pin = "sha256:{"0" * 64}"
token_file = "join-token"
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://planner.example.com"
"""


@pytest.fixture
def config(workdir: Path) -> Path:
    file = workdir / "devwiz-gw.toml"
    file.write_text(CONFIG)
    return file


@pytest.mark.usefixtures("config")
def test_what_would_have_failed_is_told_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--embedded", "--renewals", "3", "--sleep", "9h", "--sleep", "8d"]
    assert main(["identity", "rehearse", *options]) == 1
    told = capsys.readouterr().out
    assert "simulated  embedded  3 renewals" in told
    assert "real: nothing, no configured issuer was asked" in told
    assert "costs nothing for up to 24m 00s" in told
    assert told.count(" failed\n") == 1
    assert "this would have failed:\n  sleep of 8d (simulated, embedded): " in told
    assert "the join token has been used (token_spent)" in told
    assert "hint: make a new one with 'devwiz-gw issuer token'" in told


@pytest.mark.usefixtures("config")
def test_where_all_is_well_the_exit_code_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--embedded", "--renewals", "3", "--token-uses", "9", "--life", "10m", "--json"]
    assert main(["identity", "rehearse", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert report["really_asked"] == []
    assert report["certificate_life_s"] == 600
    assert {step["part"] for step in report["steps"]} == {"simulated"}
    assert [step["step"] for step in report["steps"][:3]] == [
        "first identity",
        "3 renewals",
        "issuer refuses for 150s",
    ]


@pytest.mark.usefixtures("config")
def test_an_issuer_that_is_not_there_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identity", "rehearse", "--renewals", "1", "--token-uses", "9", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["really_asked"] == ["issuer"]
    first = report["steps"][0]
    assert (first["part"], first["source"], first["ok"]) == ("real", "issuer", False)
    assert "there is no join token" in first["why"]
    assert [step["part"] for step in report["steps"]].count("real") == 1


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    "options", [["--renewals", "0"], ["--life", "soon"], ["--token-uses", "-1"], ["--sleep", "9"]]
)
def test_a_number_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["identity", "rehearse", *options]) != 0
    assert options[1] in capsys.readouterr().err


BOUND = CONFIG.replace(
    'token_file = "join-token"', 'bound_rule = "laptop"\nbound_key_secret = "key"'
)


def test_beside_a_gateway_with_a_bound_key_nobody_is_asked(
    config: Path, start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(BOUND)
    start_admin({"GET /status": (200, {})})
    assert main(["identity", "rehearse", "--renewals", "3"]) == 1
    told = capsys.readouterr().err
    assert "its bound key is for one program at a time" in told
    assert "--embedded" in told
    assert main(["identity", "rehearse", "--embedded", "--renewals", "3"]) == 0


def test_beside_a_gateway_with_a_token_it_is_asked(
    config: Path, start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.exists()
    admin = start_admin({"GET /status": (200, {})})
    assert main(["identity", "rehearse", "--renewals", "3"]) == 1
    assert "real: issuer, really asked" in capsys.readouterr().out
    assert not admin.requests
