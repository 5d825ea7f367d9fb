"""A real Secret Service of its own: gnome-keyring on a private session bus, with its own home.

Also, run as a program, a desktop whose password prompt nobody answers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import secretstorage
from jeepney import Message, MessageType, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from tests.components import require_component

_PROMPTER = "org.gnome.keyring.SystemPrompter"


class SessionBus:
    """A session bus and the environment of a program that belongs to its session."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self.env = session_env(folder) | {"DBUS_SESSION_BUS_ADDRESS": address}

    def connect(self) -> DBusConnection:
        """A connection of the test's own."""
        return open_dbus_connection(self.address)

    def lock(self) -> None:
        """Lock the default collection, as leaving the desktop does."""
        with closing(self.connect()) as bus:
            secretstorage.Collection(bus).lock()

    def stored_items(self) -> list[tuple[dict[str, str], str]]:
        """Attributes and secret of every item in the default collection."""
        with closing(self.connect()) as bus:
            return [
                (item.get_attributes(), item.get_secret().decode())
                for item in secretstorage.Collection(bus).get_all_items()
            ]


def session_env(folder: Path) -> dict[str, str]:
    """The environment of a fresh user without a session bus."""
    for name in ("home", "run"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    return {
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "PATH": os.environ["PATH"],
    }


@contextmanager
def session_bus(folder: Path) -> Iterator[SessionBus]:
    """`dbus-run-session` for as long as the block runs."""
    program = require_component("dbus-run-session")
    script = 'echo "$DBUS_SESSION_BUS_ADDRESS"; read -r _'
    with subprocess.Popen(
        [program, "--", "sh", "-c", script],
        env=session_env(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as session:
        assert session.stdout is not None
        yield SessionBus(folder, session.stdout.readline().strip())
        # Leaving the block closes its input: the script ends, and the bus with it.


@contextmanager
def gnome_keyring(
    bus: SessionBus, *, collection: Literal["unlocked", "none"] = "unlocked"
) -> Iterator[None]:
    """The daemon, with an unlocked default collection or with none yet."""
    program = require_component("gnome-keyring-daemon")
    unlock = ["--unlock"] if collection == "unlocked" else []
    with subprocess.Popen(
        [program, "--foreground", "--components=secrets", *unlock],
        env=bus.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as daemon:
        assert daemon.stdin is not None
        daemon.stdin.write(b"a password")
        daemon.stdin.close()
        try:
            _wait_for_name(bus, "org.freedesktop.secrets")
            yield
            assert daemon.poll() is None, f"gnome-keyring-daemon died ({daemon.returncode})"
        finally:
            daemon.kill()


@contextmanager
def silent_prompter(bus: SessionBus) -> Iterator[None]:
    """A desktop that takes the question to unlock and never comes back."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.secret_service"],
        env=bus.env,
        cwd=Path(__file__).parents[2],
    ) as prompter:
        try:
            _wait_for_name(bus, _PROMPTER)
            yield
        finally:
            prompter.kill()


def _wait_for_name(bus: SessionBus, name: str) -> None:
    with closing(bus.connect()) as connection:
        for _ in range(500):
            reply = connection.send_and_get_reply(message_bus.NameHasOwner(name))
            if reply.body[0]:
                return
            time.sleep(0.02)
    raise TimeoutError(name)


def _stay_silent() -> None:
    with closing(open_dbus_connection()) as connection:
        connection.send_and_get_reply(message_bus.RequestName(_PROMPTER))
        while True:
            message = connection.receive()
            if _begins(message):
                connection.send(new_method_return(message))


def _begins(message: Message) -> bool:
    return message.header.message_type is MessageType.method_call


if __name__ == "__main__":
    _stay_silent()
