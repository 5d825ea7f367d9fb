"""kill -9 of the gateway: what it leaves behind doesn't keep the next one from starting."""

from __future__ import annotations

import signal
import socket

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.stack import free_port

UNIX = """
[[routes]]
name = "writer"
listen = "unix:writer.sock"
upstream = "https://localhost:{port}"
peer = ["dns:localhost"]
"""


def test_the_same_ports_sockets_and_journal_are_used_again(gateway: GatewayProcess) -> None:
    port = free_port()
    gateway.configure(listen=f"127.0.0.1:{port}", more=UNIX.format(port=1))
    gateway.start()
    gateway.until_ready()
    with socket.create_connection(("127.0.0.1", port)):
        gateway.signal(signal.SIGKILL)
        assert gateway.wait()[0] == -signal.SIGKILL
        assert (gateway.folder / "admin.sock").exists(), "nobody was there to remove it"
        assert (gateway.folder / "writer.sock").exists()
        gateway.start()
        gateway.until_ready()
    assert gateway.request("POST", body=b"x", at=f"127.0.0.1:{port}") == (200, b"x")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    actions = [line["action"] for line in gateway.audit()]
    assert actions.count("gateway.start") == 2
    assert actions.count("gateway.stop") == 1


def test_a_crash_in_the_middle_of_a_line_leaves_a_journal_that_goes_on(
    gateway: GatewayProcess,
) -> None:
    gateway.start()
    gateway.until_ready()
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    (journal,) = gateway.folder.glob("state/devwiz-gw/*/audit.jsonl")
    with journal.open("a") as file:
        file.write('{"half of a li')
    gateway.start()
    gateway.until_ready()
    assert gateway.request("POST", body=b"x") == (200, b"x")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait()[0] == 0
    assert '"gateway.stop"' in journal.read_text().splitlines()[-1]
