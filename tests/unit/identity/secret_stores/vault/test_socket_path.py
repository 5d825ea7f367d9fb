"""`identity.secret_stores.vault.socket_path`."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from identity.secret_stores.vault.socket_path import reachable


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a long path is refused")
@pytest.mark.parametrize("name", ["s", "long" * 30, "é" * 60])
def test_a_socket_is_reached_at_any_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    before = open_files()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as caller:
        with reachable(folder / "x.sock") as address:
            listener.bind(address)
        listener.listen()
        assert (folder / "x.sock").is_socket()
        with reachable(folder / "x.sock") as address:
            caller.connect(address)
    assert open_files() == before


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
