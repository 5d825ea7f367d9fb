"""A missing real component skips on a person's machine and fails on the build machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components import require_component, system_packages


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("nothing_installed")
def test_missing_component_skips_without_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Debian package openssl"):
        require_component("openssl")


@pytest.mark.usefixtures("nothing_installed")
def test_missing_component_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="gnome-keyring-daemon is not installed"):
        require_component("gnome-keyring-daemon")


def test_present_component_is_given_by_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "openssl"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert require_component("openssl") == str(program)


def test_unlisted_component_is_a_mistake_in_the_test() -> None:
    with pytest.raises(KeyError):
        require_component("not-listed")


def test_every_package_names_a_program() -> None:
    assert system_packages()["dbus-run-session"] == "dbus-daemon"
