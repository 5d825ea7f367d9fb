"""A caller that sends nothing but key updates is cut, and holds nobody up."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from tests.components import require_component
from tests.e2e.data_plane.conftest import CALLER, StartDoor
from tests.fakes.authority import Authority
from tests.fakes.scripted_upstream import answering, echo, wait_until


def test_a_flood_of_key_updates(door: StartDoor, authority: Authority, tmp_path: Path) -> None:
    program = require_component("openssl")
    here = door(answering(echo))
    leaf = authority.issue(CALLER)
    (tmp_path / "both.pem").write_text(leaf.key_pem + leaf.chain_pem)
    port = here.worker.ports[0]
    with subprocess.Popen(
        [program, "s_client", "-connect", f"127.0.0.1:{port}", "-cert", tmp_path / "both.pem"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as flood:
        assert flood.stdin is not None
        wait_until(lambda: here.worker.stats().downstream_connections == 1)
        with suppress(BrokenPipeError):
            while flood.poll() is None:  # until it is cut
                flood.stdin.write(b"k\n")  # one update, as often as the program reads
        flood.wait(5)
    wait_until(lambda: here.worker.stats().downstream_connections == 0)
    assert here.call().get().status == 200
