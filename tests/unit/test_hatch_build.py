"""What a compiled wheel holds, and that a wheel is a pure one unless asked for otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hatch_build
from hatch_build import MODULES, CompileHook


@pytest.fixture
def hook(tmp_path: Path) -> CompileHook:
    unused: Any = None
    return CompileHook(str(tmp_path), {}, unused, unused, str(tmp_path), "wheel")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A compiler that makes one module."""

    def compile_into(target: Path) -> None:
        made = target / "gateway/data_plane/reactor.so"
        made.parent.mkdir(parents=True)
        made.touch()

    monkeypatch.setattr(hatch_build, "compile_into", compile_into)
    monkeypatch.setattr(hatch_build, "ROOT", tmp_path)


def test_every_module_is_there() -> None:
    folder = hatch_build.ROOT / "gateway/data_plane"
    assert [name for name in MODULES if not (folder / f"{name}.py").is_file()] == []


@pytest.mark.usefixtures("compiled")
def test_a_wheel_is_compiled_when_asked_for(
    hook: CompileHook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEVWIZ_GW_COMPILE", "1")
    build: dict[str, Any] = {"force_include": {}}
    hook.initialize("standard", build)
    made = tmp_path / "build/compiled/gateway/data_plane/reactor.so"
    assert build == {
        "force_include": {str(made): "gateway/data_plane/reactor.so"},
        "pure_python": False,
        "infer_tag": True,
    }
    assert hook.dependencies()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("asked", "version"), [("", "standard"), ("0", "standard"), ("1", "editable")]
)
def test_otherwise_it_holds_the_sources_only(
    hook: CompileHook, monkeypatch: pytest.MonkeyPatch, asked: str, version: str
) -> None:
    monkeypatch.setenv("DEVWIZ_GW_COMPILE", asked)
    build: dict[str, Any] = {"force_include": {}}
    hook.initialize(version, build)
    assert build == {"force_include": {}}
    assert bool(hook.dependencies()) == (asked == "1")
