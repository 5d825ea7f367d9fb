from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from identity.errors import TokenDenied, TokenUnavailable
from identity.program import Program
from identity.token_sources.exec_helper import ExecHelper


def script(folder: Path, text: str) -> Path:
    path = folder / "helper"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def helper(path: Path, *arguments: str, timeout_s: float = 20.0, **env: str) -> ExecHelper:
    program = Program(command=(str(path), *arguments), env=env, timeout_s=timeout_s)
    return ExecHelper(program, ask_again_s=90.0)


async def test_a_token_is_what_it_prints(tmp_path: Path) -> None:
    path = script(tmp_path, 'echo "t-$1-$A-$SECRET"; echo noise >&2')
    os.environ["SECRET"] = "of-the-gateway"
    try:
        token = await helper(path, "$(id)", A="b").fetch()
    finally:
        del os.environ["SECRET"]
    assert token.value.reveal() == "t-$(id)-b-"
    assert (token.expires_at, token.ask_again_s) == (None, 90.0)


async def test_a_json_object_tells_an_end(tmp_path: Path) -> None:
    end = '"expires_at": "2026-03-01T12:00:00+02:00"'
    token = await helper(script(tmp_path, f"""echo '{{"token": "t", {end}}}'""")).fetch()
    assert token.value.reveal() == "t"
    assert (token.expires_at, token.ask_again_s) == (datetime(2026, 3, 1, 10, tzinfo=UTC), None)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "echo a b",
        "printf 'a\\nb'",
        "echo '{}'",
        "echo '{\"token\": null}'",
        'echo \'{"token": "t", "expires_at": "soon"}\'',
        'echo \'{"token": "t", "expires_at": "2026-03-01T12:00:00"}\'',
        "yes | head -c 100000",
    ],
)
async def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TokenDenied):
        await helper(script(tmp_path, text)).fetch()


async def test_a_failure_is_told_by_its_code_and_not_by_its_words(tmp_path: Path) -> None:
    path = script(tmp_path, "echo secret-words; echo secret-words >&2; exit 3")
    with pytest.raises(TokenUnavailable, match="exit code 3") as caught:
        await helper(path).fetch()
    assert "secret-words" not in str(caught.value) + caught.value.hint


async def test_one_that_is_too_slow_is_ended_with_its_children(tmp_path: Path) -> None:
    path = script(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(TokenUnavailable, match="didn't finish"):
        await helper(path, timeout_s=0.5, PATH=os.environ["PATH"]).fetch()
    pid = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 20
    while _is_alive(pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_program_that_others_can_replace_is_not_run(tmp_path: Path) -> None:
    path = script(tmp_path, "echo t")
    path.chmod(0o722)
    with pytest.raises(TokenDenied, match="others than its owner"):
        await helper(path).fetch()
    with pytest.raises(TokenDenied, match="can't be run"):
        await helper(tmp_path / "absent").fetch()
    path.chmod(0o600)
    with pytest.raises(TokenDenied, match="can't be run"):
        await helper(path).fetch()
