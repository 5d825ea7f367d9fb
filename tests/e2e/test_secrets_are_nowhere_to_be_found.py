"""A route's token reaches the agent, and neither the client nor anything that is kept or shown."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.conftest import Stack, StartStack
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.raw_client import RawClient
from tests.fakes.secret_service import gnome_keyring, session_bus
from tests.fakes.stack import Gateway

TOKEN = "t0ken-of-the-planner-that-nobody-may-see"
HEADERS = """
[routes.headers]
Authorization = "Bearer {secret:planner-token}"
X-Api-Key = "{secret:planner-token}"
"""
FOLDER = """
[secrets]
store = "folder"
folder = "secrets"
"""
VAULT = """
[secrets]
store = "vault"
"""
PASSPHRASE = "correct horse battery"
FORBIDDEN = (
    ("Authorization", "Bearer mine"),
    ("AUTHORIZATION", "Bearer mine"),
    ("X_Api_Key", "mine"),
    ("x-api-key", "mine"),
    ("X_API-key", "mine"),
    ("Cookie", "session=mine"),
    ("cookie", "session=mine"),
    ("Proxy_Authorization", "Basic mine"),
)


def test_from_mounted_files(start_stack: StartStack) -> None:
    stack = start_stack()
    secrets = stack.gateway.folder / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "planner-token").touch(0o600)
    (secrets / "planner-token").write_text(TOKEN)
    stack.gateway.configure(more=HEADERS + FOLDER)
    work_and_search(stack)


def test_from_the_keychain(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack()
    desktop = tmp_path / "desktop"
    desktop.mkdir()
    with session_bus(desktop) as bus, gnome_keyring(bus):
        stack.gateway.env |= bus.env
        stack.gateway.configure(more=HEADERS)
        kept = stack.gateway.command("secret", "set", "planner-token", said=f"{TOKEN}\n")
        assert kept.returncode == 0, kept.stderr
        assert TOKEN not in kept.stdout + kept.stderr
        work_and_search(stack)


def test_from_the_vault(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack()
    stack.gateway.env |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    stack.gateway.configure(more=HEADERS + VAULT)
    for arguments, said in (
        (("vault", "init", "--passphrase-fd", "0", "--unlock-time", "0.1"), PASSPHRASE),
        (("vault", "unlock", "--passphrase-fd", "0"), PASSPHRASE),
        (("secret", "set", "planner-token"), TOKEN),
    ):
        done = stack.gateway.command(*arguments, said=said)
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        assert PASSPHRASE not in done.stdout + done.stderr
    try:
        work_and_search(stack)
        kept = list(written(tmp_path / "data"))
        assert TOKEN not in "".join(kept)
        assert PASSPHRASE not in "".join(kept)
    finally:
        stack.gateway.command("vault", "lock")


def work_and_search(stack: Stack) -> None:
    gateway = stack.gateway
    gateway.start()
    gateway.until_ready()
    address = gateway.address()
    seen = [call(address)]
    with gateway_client(address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        seen.append(client.read_response().body)
        # Never answered, so that it is logged as cut.
    with gateway_client(address) as client:
        client.send(client.head("/hang?token=in-the-query"))
    for fields in stack.agent.headers:
        values = {name.lower().replace("_", "-"): value for name, value in fields}
        assert len(values) == len(fields), "no header arrives twice"
        assert values["authorization"] == f"Bearer {TOKEN}"
        assert values["x-api-key"] == TOKEN
        assert "mine" not in str(fields)
    shown = [str(gateway.ask("GET", path)) for path in ("/status", "/readyz", "/metrics")]
    shown += [gateway.command(*verb).stdout for verb in (["status"], ["identity", "show"])]
    processes = list(of_processes(gateway))
    gateway.signal(signal.SIGTERM)
    code, out, err = gateway.wait()
    assert code == 0
    files = list(written(gateway.folder))
    log = (gateway.folder / "gw.log").read_text()
    assert '"status":421' in log
    assert "secret.use" in str(gateway.audit())
    everything = "\n".join([*map(repr, seen), *shown, *processes, *files, out, err])
    for hidden in (TOKEN, gateway.token, "PRIVATE KEY", "in-the-query"):
        assert hidden not in everything


def call(address: str) -> bytes:
    """A request with everything that a client may not send; the whole answer."""
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
    connection.putrequest("POST", "/echo?token=in-the-query")
    for name, value in (*FORBIDDEN, ("X-Harmless", "kept"), ("Content-Length", "0")):
        connection.putheader(name, value)
    connection.endheaders()
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert reply.status == 200
    assert reply.getheader("Echo-X-Harmless") == "kept"
    # The agent repeats what it got: that the token came is told, not what it is.
    assert reply.getheader("Echo-Authorization") == "Bearer [redacted]"
    return str(reply.headers).encode() + body


def gateway_client(address: str) -> RawClient:
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
    connection.connect()
    assert connection.sock is not None
    return RawClient(connection.sock, address)


def of_processes(gateway: Gateway) -> Iterator[str]:
    """What other programs of this machine can see of the gateway's processes."""
    for pid in gateway.pids():
        for name in ("cmdline", "environ"):
            yield Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")


def written(folder: Path) -> Iterator[str]:
    """Every file that the gateway wrote or might have written."""
    given = {"secrets", "join-token"}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in given]
        for name in names:
            path = Path(root) / name
            if name not in given and path.is_file():
                yield path.read_bytes().decode(errors="replace")
