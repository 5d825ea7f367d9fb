"""A process that is killed while it refreshes a session doesn't lose it, nor do many at once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from identity.secret_stores.base import Secret
from identity.supabase.auth_api import AuthApi
from identity.supabase.session import decode, encode
from tests.fakes.session_process import REF, FolderStore
from tests.fakes.supabase_auth import EMAIL, KEY, PASSWORD, SupabaseAuth

TIMEOUT_S = 50


@pytest.fixture
def server() -> Iterator[SupabaseAuth]:
    with SupabaseAuth() as made:
        yield made


async def _sign_in(folder: Path, url: str) -> None:
    api = AuthApi(url, KEY, ca_file=None, now=lambda: datetime.now(UTC))
    session = await api.with_password(EMAIL, Secret(PASSWORD))
    due = replace(session, expires_at=datetime.now(UTC))
    await FolderStore(folder).set(REF, encode(due))


def sign_in(folder: Path, server: SupabaseAuth) -> None:
    """A session that is to be refreshed at once; the next one lives long."""
    asyncio.run(_sign_in(folder, server.url))


def start(folder: Path, server: SupabaseAuth, at: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fakes.session_process", str(folder), server.url, at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kept_refresh_token(folder: Path) -> str:
    return decode(asyncio.run(FolderStore(folder).get(REF))).refresh_token.reveal()


@pytest.mark.parametrize(
    ("at", "refreshes"), [("killed-before-storing", 2), ("killed-after-storing", 1)]
)
def test_killed_on_the_way(server: SupabaseAuth, tmp_path: Path, at: str, refreshes: int) -> None:
    sign_in(tmp_path, server)
    killed = start(tmp_path, server, at)
    out, err = killed.communicate(timeout=TIMEOUT_S)
    assert (killed.returncode, out) == (-signal.SIGKILL, ""), err
    # The reuse interval is over: what saves the session is not it.
    server.ahead_s = 20
    after = start(tmp_path, server)
    out, err = after.communicate(timeout=TIMEOUT_S)
    assert after.returncode == 0, err
    assert out.count(".") == 2
    assert server.refreshes == refreshes
    assert [kept_refresh_token(tmp_path)] == server.active_refresh_tokens


def test_many_processes_make_one_refresh(server: SupabaseAuth, tmp_path: Path) -> None:
    sign_in(tmp_path, server)
    processes = [start(tmp_path, server) for _ in range(3)]
    said = [process.communicate(timeout=TIMEOUT_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert len({out for out, _ in said}) == 1
    assert server.refreshes == 1
