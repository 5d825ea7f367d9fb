"""What somebody may try to read another project's secrets with, at the command line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.vault.conftest import Headless

VALUE = "the-canary-of-acme"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    machine = Headless(tmp_path_factory.mktemp("machine"))
    machine.make()
    machine.unlock()
    yield machine
    machine.run("vault", "lock")


@pytest.fixture
def acme(machine: Headless, tmp_path: Path) -> Iterator[Headless]:
    """A project of each test's own, on one machine."""
    machine.folder = tmp_path
    machine.work = machine.project("acme")
    machine.done("vault", "bind")
    machine.done("secret", "set", "token", said=VALUE)
    yield machine
    machine.work = machine.project("acme", folder="last")
    machine.done("vault", "bind")
    machine.done("secret", "rm", "token")


@pytest.mark.parametrize(
    "name",
    [
        "../acme",
        "acme/../acme",
        "./acme",
        "acme/",
        "ACME",
        "Acme",
        "acme ",
        "acme\\u0000",
        "\\u0430cme",  # a Cyrillic a
        "acm\\u0435",
        "\\uff41cme",  # a full-width a
        "ac\\u00adme",  # a soft hyphen
        "acme\\u200b",  # no width at all
        "acme\\u0301",
        "%61cme",
        "vault-keys/acme",
    ],
)
def test_a_name_that_only_looks_the_same_is_refused(acme: Headless, name: str) -> None:
    work = acme.project(name, folder="intruder")
    for arguments in (("get", "token"), ("list",)):
        result = acme.run("secret", *arguments, at=work)
        assert result.returncode != 0
        assert VALUE not in result.stdout + result.stderr
        assert "token" not in result.stdout


def test_another_project_finds_nothing(acme: Headless) -> None:
    other = acme.project("other")
    assert "other/token is not set" in acme.get("token", at=other)
    assert acme.run("secret", "list", at=other).stdout == ""
    assert acme.run("secret", "rm", "token", at=other).returncode == 1
    assert acme.get("token") == VALUE


def test_a_copied_or_renamed_configuration_is_refused(acme: Headless, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(acme.work, clone)
    for folder in (clone, clone.rename(tmp_path / "renamed")):
        if folder.exists():
            assert "the secrets of project acme belong to" in acme.get("token", at=folder)
    refused = acme.run("secret", "set", "token", said="theirs", at=tmp_path / "renamed")
    assert "belong to" in refused.stderr
    assert acme.get("token") == VALUE


def test_a_moved_configuration_is_let_in_by_hand(acme: Headless, tmp_path: Path) -> None:
    acme.work = acme.work.rename(tmp_path / "moved")
    assert "secret bind" in acme.get("token")
    acme.done("vault", "bind")
    assert acme.get("token") == VALUE


def test_a_use_that_would_be_recorded_elsewhere_is_refused(acme: Headless, tmp_path: Path) -> None:
    for more in ((), ("--project", "acme")):
        refused = acme.run(
            "secret", "get", "token", *more, env={"XDG_STATE_HOME": str(tmp_path / "empty")}
        )
        assert refused.returncode != 0
        assert refused.stdout == ""
        assert "the journal of project acme is kept under" in refused.stderr
    assert acme.get("token") == VALUE


def test_an_agent_lets_nobody_in(acme: Headless, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(acme.work, clone)
    for command in (("vault", "bind"), ("secret", "bind")):
        refused = acme.run(*command, at=clone, env={"CLAUDECODE": "1"})
        assert "nobody at the terminal allowed it" in refused.stderr
    assert "belong to" in acme.get("token", at=clone)


def test_links_lead_to_the_same_project_and_to_no_other(acme: Headless, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(acme.work)
    assert acme.get("token", at=linked) == VALUE
    other = acme.project("other")
    (other / "devwiz-gw.toml").unlink()
    (other / "devwiz-gw.toml").symlink_to(acme.work / "devwiz-gw.toml")
    assert "belong to" in acme.get("token", at=other), "what is beside the link is meant"


def test_a_linked_vault_is_not_followed(acme: Headless, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(acme.vault)
    work = acme.project("acme", folder="other", more='folder = "../mine"')
    assert "is not a plain folder" in acme.get("token", at=work)


def test_a_configuration_can_not_name_the_vaults_own_things(acme: Headless) -> None:
    for project in ("vault", "vault-keys", "vault-marks", "devwiz-gw-vault"):
        work = acme.project(project)
        assert acme.run("secret", "list", at=work).stdout == ""
        assert VALUE not in acme.get("token", at=work)
