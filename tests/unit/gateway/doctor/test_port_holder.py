"""Who listens at a port, by what Linux tells."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from gateway.doctor.port_holder import holder

_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
pytestmark = [_LINUX, pytest.mark.may_block("reads /proc")]


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_this_process(bound: str) -> None:
    with socket.create_server((bound, 0)) as listening:
        found = holder("127.0.0.1", listening.getsockname()[1])
    assert found.endswith(f"(pid {os.getpid()})")


def test_nobody() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert holder("127.0.0.1", bound.getsockname()[1]) == ""


def test_somebody_who_is_not_shown(tmp_path: Path) -> None:
    net = tmp_path / "net"
    net.mkdir()
    (net / "tcp").write_text(
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1\n"
    )
    assert holder("127.0.0.1", 8080, proc=tmp_path) == "a process of another user"
    assert holder("127.0.0.1", 8081, proc=tmp_path) == ""
    assert holder("127.0.0.2", 8080, proc=tmp_path) == ""
    assert holder("127.0.0.1", 8080, proc=tmp_path / "none") == ""
