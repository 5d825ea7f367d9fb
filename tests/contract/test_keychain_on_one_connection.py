"""What the keychain's process adds to `keyring`, on a real gnome-keyring."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import secretstorage
from jeepney.io.blocking import DBusConnection

from identity.secret_stores.keychain_process import backend_of
from tests.fakes.secret_service import gnome_keyring, session_bus

_USER = "devwiz-gw"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[DBusConnection]]:
    """The connections that are made to the bus of a session with an open keychain."""
    made: list[DBusConnection] = []
    connect = secretstorage.dbus_init

    def noted() -> DBusConnection:
        made.append(connect())
        return made[-1]

    with session_bus(tmp_path) as bus, gnome_keyring(bus):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        monkeypatch.setattr(secretstorage, "dbus_init", noted)
        yield made


def is_closed(connection: DBusConnection) -> bool:
    return bool(connection.sock.fileno() == -1)


def test_calls_share_a_connection_that_is_closed_at_the_end(opened: list[DBusConnection]) -> None:
    service = backend_of("linux")
    with service.connected():
        service.keyring.set_password("devwiz-gw/acme/key", _USER, "one")
        service.keyring.set_password("devwiz-gw/acme/key", _USER, "two")
        assert service.keyring.get_password("devwiz-gw/acme/key", _USER) == "two"
        service.keyring.delete_password("devwiz-gw/acme/key", _USER)
        assert service.keyring.get_password("devwiz-gw/acme/key", _USER) is None
        assert [is_closed(connection) for connection in opened] == [False]
    assert [is_closed(connection) for connection in opened] == [True]


def test_each_time_is_another_connection(opened: list[DBusConnection]) -> None:
    service = backend_of("linux")
    for _ in range(2):
        with service.connected():
            service.keyring.get_password("devwiz-gw/acme/key", _USER)
    assert [is_closed(connection) for connection in opened] == [True, True]


def test_nothing_is_opened_where_nothing_is_called(opened: list[DBusConnection]) -> None:
    with backend_of("linux").connected():
        pass
    assert opened == []


def test_without_it_each_call_has_its_own_as_ever(opened: list[DBusConnection]) -> None:
    service = backend_of("linux")
    service.keyring.set_password("devwiz-gw/acme/key", _USER, "one")
    assert service.keyring.get_password("devwiz-gw/acme/key", _USER) == "one"
    assert [is_closed(connection) for connection in opened] == [True, True]


def test_the_state_is_looked_at_on_a_connection_that_is_closed(
    opened: list[DBusConnection],
) -> None:
    assert backend_of("linux").state() == "open"
    assert [is_closed(connection) for connection in opened] == [True]


def test_libraries_that_keyring_does_not_use_here_are_imported_when_they_are() -> None:
    script = (
        "import sys; import identity.secret_stores.secret_service;"
        "print('http.client' in sys.modules, 'email' in sys.modules);"
        "import urllib.request; from urllib.request import Request;"
        "print(Request('http://127.0.0.1/').host, 'http.client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "False False\n127.0.0.1 True\n"
