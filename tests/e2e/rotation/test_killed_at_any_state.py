"""A rotation whose process is killed before or after any record goes on, or is undone, and leaves
one good key, the one in use.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.key_server import LangSmithKeyServer

TIMEOUT_S = 50
PHASES = (
    *("planned", "created", "stored", "verified", "published"),
    *("switched", "grace", "revoked", "done"),
)
CUTS = [f"{phase}{when}" for phase in PHASES for when in ("-", "")]


@pytest.fixture
def server() -> Iterator[LangSmithKeyServer]:
    with LangSmithKeyServer() as made:
        yield made


def start(folder: Path, server: LangSmithKeyServer, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fakes.rotation_process", str(folder), server.url]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(folder: Path, server: LangSmithKeyServer, *arguments: str) -> tuple[int, str, str]:
    with start(folder, server, *arguments) as process:
        out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out.strip(), err


def project(folder: Path, server: LangSmithKeyServer) -> Path:
    store = folder / "store"
    store.mkdir(mode=0o700)
    (store / "key").write_text(server.first)
    return store


def is_settled(store: Path, server: LangSmithKeyServer) -> bool:
    """One key is good, it is the one in use, and nothing else is kept."""
    kept = sorted(path.name for path in store.iterdir())
    return kept == ["key"] and server.values() == [(store / "key").read_text()]


@pytest.mark.parametrize("cut", CUTS)
def test_it_goes_on(cut: str, tmp_path: Path, server: LangSmithKeyServer) -> None:
    store = project(tmp_path, server)
    code, out, err = run(tmp_path, server, "start", cut)
    assert (code, out) == (-signal.SIGKILL, ""), err
    assert (store / "key").read_text() in server.values()
    again = "start" if cut == "planned-" else "resume"
    if cut != "done":
        code, out, err = run(tmp_path, server, again)
        assert (code, out) == (0, "done"), err
    assert is_settled(store, server)
    assert (store / "key").read_text() != server.first
    assert len(server.ended) <= 2


@pytest.mark.parametrize("cut", ["created-", "created", "stored", "published", "switched", "grace"])
def test_it_is_undone(cut: str, tmp_path: Path, server: LangSmithKeyServer) -> None:
    store = project(tmp_path, server)
    assert run(tmp_path, server, "start", cut)[0] == -signal.SIGKILL
    assert run(tmp_path, server, "rollback", "rolled-back-")[0] == -signal.SIGKILL
    code, out, err = run(tmp_path, server, "resume")
    assert (code, out) == (0, "rolled-back"), err
    assert is_settled(store, server)
    assert (store / "key").read_text() == server.first


def test_the_provider_hangs_after_it_made_a_key(tmp_path: Path, server: LangSmithKeyServer) -> None:
    project(tmp_path, server)
    server.faults["POST"] = ["hang"]
    with start(tmp_path, server, "start") as process:
        assert server.hanging.wait(TIMEOUT_S)
        process.kill()
        process.communicate(timeout=TIMEOUT_S)
    assert len(server.keys) == 2
    code, out, err = run(tmp_path, server, "resume")
    assert (code, out) == (0, "done"), err
    assert is_settled(tmp_path / "store", server)
