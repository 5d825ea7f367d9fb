"""A missing real component skips on a person's machine and fails on the build machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components import make_program, require_component, require_program, system_packages


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


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("empty_cache", "nothing_installed")
def test_program_that_can_not_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    make_program("step-ca")
    with pytest.raises(pytest.fail.Exception, match=r"step-ca can't be made: .*'go'"):
        require_program("step-ca")


@pytest.mark.usefixtures("empty_cache")
def test_program_that_nobody_made_asks_for_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("tests.components._failures", {})
    with pytest.raises(pytest.skip.Exception, match=r"mark the test program\('step-ca'\)"):
        require_program("step-ca")


@pytest.mark.usefixtures("empty_cache")
def test_go_program_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a `go` that writes what it was told to, where it was told to."""
    compiler = tmp_path / "go"
    compiler.write_text(
        "#!/bin/sh\n"
        'echo "$@" >>"$(dirname "$0")/calls"\n'
        "for word; do path=$before; before=$word; done\n"
        "echo >$path\n"
    )
    compiler.chmod(0o755)
    source = tmp_path / "programs" / "tool"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module tool\n\ntool example.com/tool\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("tests.components.PROGRAMS", source.parent)
    make_program("tool")
    path = require_program("tool")
    assert path.is_relative_to(tmp_path / "cache")
    assert (tmp_path / "calls").read_text().endswith(" example.com/tool\n")
    (tmp_path / "calls").unlink()
    make_program("tool")
    assert not (tmp_path / "calls").exists()
