"""`identity.secret_stores.vault.agent`, its client and its launch: over real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from identity.errors import (
    InvalidSecretName,
    ProjectElsewhere,
    SecretNotFound,
    StoreUnavailable,
    VaultLocked,
    VaultMissing,
)
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.keychain_frames import read_frame, write_frame
from identity.secret_stores.vault.agent import Agent, Order, listening, read_order
from identity.secret_stores.vault.client import VaultClient
from identity.secret_stores.vault.launch import launch
from tests.contract.secret_store_suite import processes_showing
from tests.fakes.other_user import AS_ROOT, STRANGER
from tests.fakes.vault import VaultRig

TOKEN = SecretRef("acme", "planner-token")
DEADLINE_S = 30


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rig(tmp_path: Path) -> VaultRig:
    return VaultRig(tmp_path).make()


@pytest.fixture
def running(rig: VaultRig) -> Iterator[VaultRig]:
    rig.start()
    yield rig
    rig.stop()


class Held:
    """An agent in a thread of this process."""

    def __init__(self, rig: VaultRig, listener: socket.socket, auto_lock_s: float) -> None:
        self.clock = Clock()
        self.wiped = threading.Event()
        self.agent = Agent(
            rig.vault(), listener, auto_lock_s=auto_lock_s, clock=self.clock, wipe=self.wiped.set
        )
        self.thread = threading.Thread(target=self.agent.run)
        self.thread.start()

    def join(self) -> None:
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        assert self.wiped.is_set()


@pytest.fixture
def held(rig: VaultRig) -> Iterator[Held]:
    with listening(rig.place) as listener:
        held = Held(rig, listener, auto_lock_s=60)
        yield held
        held.agent.stop()
        held.join()


def raw(rig: VaultRig, data: bytes) -> bytes:
    """What is answered to bytes that no client of ours sends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(rig.place.socket))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return stream.read()


def ask(rig: VaultRig, request: dict[str, Any]) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(rig.place.socket))
        with connection.makefile("rwb") as stream:
            write_frame(stream, request)
            return read_frame(stream)


def test_an_unused_vault_is_locked_and_a_used_one_is_not(rig: VaultRig, held: Held) -> None:
    client = rig.client()
    client.set(TOKEN, Secret("v"))
    held.clock.now += 59
    assert client.get(TOKEN).reveal() == "v"
    held.clock.now += 59
    assert client.status()["auto_lock_s"] == 60
    held.clock.now += 2
    # Looking at its state is no use: the request after it comes too late.
    with pytest.raises(StoreUnavailable, match=r"locked|did not answer"):
        client.get(TOKEN)
    held.join()
    assert not held.agent.answer({"op": "get"}).get("value")


def test_an_unlocked_vault_is_checked_by_who_has_its_key(rig: VaultRig, held: Held) -> None:
    client = rig.client()
    client.set(TOKEN, Secret("v"))
    found = client.check()
    assert (found["secrets"], found["projects"], found["unasked"]) == (1, 1, [])
    # That is no use of it: whoever looks every minute doesn't keep it unlocked.
    held.clock.now += 61
    with pytest.raises(StoreUnavailable, match=r"locked|did not answer"):
        client.check()
    held.join()


def test_a_request_that_is_nonsense_is_answered_or_dropped(rig: VaultRig, held: Held) -> None:
    for data in (b"", b"\0", b"\0\0\0\5{}", b"\xff" * 64, b"\0\0\0\2[]", b"GET / HTTP/1.1\r\n\r\n"):
        assert raw(rig, data) == b""
    for request in (
        {},
        {"op": "get"},
        {"op": "nothing", "asker": None, "project": "acme", "name": "n"},
        {"op": "get", "asker": None, "project": 5, "name": "n"},
        {"op": "get", "asker": None, "project": "acme", "name": ["n"]},
        {"op": "set", "asker": None, "project": "acme", "name": "n", "value": None},
        {"op": "bind", "asker": None, "project": "acme", "file": ""},
        {"op": "get", "asker": "/acme/devwiz-gw.toml", "project": "acme", "name": "n"},
    ):
        answer = ask(rig, request)
        assert answer is not None
        assert answer["error"] in {"StoreUnavailable", "InvalidSecretName", "InvalidSecretValue"}
    assert rig.client().names("acme") == []


def test_a_process_that_drops_a_caller_is_not_a_locked_vault(rig: VaultRig) -> None:
    with listening(rig.place) as listener:
        listener.setblocking(True)

        def drop() -> None:
            listener.accept()[0].close()

        dropping = threading.Thread(target=drop)
        dropping.start()
        with pytest.raises(StoreUnavailable, match="did not answer") as dropped:
            rig.client().get(TOKEN)
        dropping.join(DEADLINE_S)
    assert not isinstance(dropped.value, VaultLocked)


def test_a_call_can_be_given_up(rig: VaultRig) -> None:
    with listening(rig.place) as listener:
        client = rig.client()
        raised: list[BaseException] = []

        def call() -> None:
            try:
                client.get(TOKEN)
            except StoreUnavailable as error:
                raised.append(error)

        calling = threading.Thread(target=call)
        calling.start()
        deadline = time.monotonic() + DEADLINE_S
        while calling.is_alive() and time.monotonic() < deadline:
            client.interrupt()
            calling.join(0.05)
        assert listener.fileno() >= 0
    assert raised


def test_a_caller_that_says_nothing_holds_nobody_up(rig: VaultRig, held: Held) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(rig.place.socket))
        assert rig.client().names("acme") == []


def test_errors_arrive_as_what_they_are(running: VaultRig) -> None:
    client = running.client("/acme/devwiz-gw.toml")
    with pytest.raises(SecretNotFound, match="acme/planner-token is not set"):
        client.get(TOKEN)
    with pytest.raises(InvalidSecretName):
        client.names("../other")
    client.set(TOKEN, Secret("v"))
    with pytest.raises(ProjectElsewhere):
        running.client("/clone/devwiz-gw.toml").get(TOKEN)
    running.client("/clone/devwiz-gw.toml").rebind("acme", "bind")
    assert running.client("/clone/devwiz-gw.toml").get(TOKEN).reveal() == "v"


def test_once_locked_nothing_answers(running: VaultRig) -> None:
    client = running.client()
    pid = client.status()["pid"]
    client.lock()
    with pytest.raises(VaultLocked, match="the vault is locked: unlock it"):
        client.get(TOKEN)
    with pytest.raises(VaultLocked):
        client.lock()
    _until_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_signal_locks(running: VaultRig, number: signal.Signals) -> None:
    pid = running.client().status()["pid"]
    os.kill(pid, number)
    _until_gone(pid)
    with pytest.raises(VaultLocked):
        running.client().get(TOKEN)
    running.start()
    assert running.client().names("acme") == []


def test_one_process_a_vault(running: VaultRig) -> None:
    with pytest.raises(StoreUnavailable, match="unlocked already"):
        running.start()
    assert running.client().names("acme") == []


def test_without_a_vault_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(VaultMissing) as missing:
        VaultRig(tmp_path).client().get(TOKEN)
    assert "vault init" in missing.value.hint


def test_a_program_that_can_not_be_started_or_dies_is_named(rig: VaultRig) -> None:
    opened = rig.unlocked()
    order = Order(place=rig.place, vault_id=opened.vault_id, auto_lock_s=0, mark_in_keychain=False)
    message = order.message(opened.master)
    assert read_order(message) == order
    with pytest.raises(StoreUnavailable, match="can't be started"):
        launch(message, {}, command=["/nowhere/at-all"])
    for code in ("", "import sys; sys.stdin.buffer.read(1)"):
        with pytest.raises(StoreUnavailable, match="ended at once"):
            launch(message, {}, command=[sys.executable, "-c", code])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a path is refused")
def test_a_path_that_is_too_long_for_a_socket_is_no_hindrance(tmp_path: Path) -> None:
    rig = VaultRig(tmp_path / ("long" * 30)).make()
    rig.start()
    rig.client().set(TOKEN, Secret("v"))
    assert rig.client().get(TOKEN).reveal() == "v"
    rig.stop()


def test_a_socket_that_can_not_be_made_is_named(rig: VaultRig) -> None:
    rig.place.socket.mkdir()
    with pytest.raises(StoreUnavailable, match="can't listen on"):
        rig.start()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_process_shows_nothing_and_can_not_be_looked_into(running: VaultRig) -> None:
    client = running.client()
    client.set(TOKEN, Secret("canary-of-the-vault"))
    client.get(TOKEN)
    pid = client.status()["pid"]
    assert processes_showing("canary-of-the-vault") == []
    assert processes_showing(running.unlocked().master.hex()) == []
    assert (running.place.socket.stat().st_mode & 0o777) == 0o600
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "core file" in line).split()[4] == "0"
    # Not dumpable: its files in /proc are root's, which other programs of the user are not.
    assert Path(f"/proc/{pid}/mem").stat().st_uid == 0
    status = Path(f"/proc/{pid}/status").read_text()
    assert "VmLck:\t       0 kB" not in status
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")


@AS_ROOT
def test_another_user_is_not_answered(running: VaultRig) -> None:
    running.client().set(TOKEN, Secret("canary"))
    for folder in (running.place.folder, *running.place.folder.parents):
        if folder == Path("/tmp"):
            break
        folder.chmod(0o755)
    running.place.socket.chmod(0o666)
    code = (
        "import os, socket, sys; os.setgroups([]); os.setuid(int(sys.argv[1]));"
        "peer = socket.socket(socket.AF_UNIX); peer.settimeout(20); peer.connect(sys.argv[2]);"
        'body = b\'{"op":"get","asker":null,"project":"acme","name":"planner-token"}\';'
        "peer.sendall(len(body).to_bytes(4, 'big') + body);"
        "sys.stdout.buffer.write(peer.recv(4096))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(STRANGER), str(running.place.socket)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert b"canary" not in done.stdout
    assert done.stdout == b""
    running.place.folder.chmod(0o700)


@AS_ROOT
def test_a_client_asks_no_process_of_another_user(rig: VaultRig) -> None:
    code = (
        "import os, socket, sys; peer = socket.socket(socket.AF_UNIX); peer.bind(sys.argv[2]);"
        "os.setuid(int(sys.argv[1])); peer.listen(); print('ready', flush=True);"
        "other, _ = peer.accept(); print(other.recv(100), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-c", code, str(STRANGER), str(rig.place.socket)],
        stdout=subprocess.PIPE,
    ) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"ready\n"
        with pytest.raises(StoreUnavailable, match="another user's process"):
            VaultClient(rig.place, asker=None).set(TOKEN, Secret("canary"))
        assert stranger.stdout.readline() == b"b''\n"


def _until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            # A child that nobody has waited for is a zombie: as dead as can be.
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return
        except ChildProcessError:
            return
        time.sleep(0.02)
    pytest.fail(f"{pid} is still there")
