"""The Secret Service as `keyring` uses it, on one connection for each of our requests.

`keyring` opens a connection to the bus for each of its calls, and agrees on a key with the keychain
for each value that it reads. A request takes up to four calls, and a program may wait for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Literal


class _Later(ModuleType):
    """A module that is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


# Two that `keyring` imports and that are not used here: with HTTP, TLS and e-mail they would take a
# fifth of the time that this process takes to start.
for _name in ("urllib.request", "importlib_metadata"):
    if _name not in sys.modules:
        sys.modules[_name] = _Later(_name)
        _package, _, _inner = _name.rpartition(".")
        if _package:  # `import urllib.request` finds it there only
            setattr(import_module(_package), _inner, sys.modules[_name])

import secretstorage  # noqa: E402
from keyring.backends.SecretService import Keyring as SecretService  # noqa: E402
from secretstorage.util import open_session  # noqa: E402


class ConnectedSecretService(SecretService):
    """`keyring`'s backend, whose calls share a connection while it is `connected`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_connected = False
        self._collection: Any = None

    @contextmanager
    def connected(self) -> Iterator[None]:
        """The first call from here on opens a connection, the end of this closes it."""
        self._is_connected = True
        try:
            yield
        finally:
            self._is_connected = False
            collection, self._collection = self._collection, None
            if collection is not None:
                collection.connection.end()

    def get_preferred_collection(self) -> Any:
        """See `keyring`; it unlocks the collection, and raises its errors."""
        if self._collection is not None:
            return self._collection
        collection = super().get_preferred_collection()  # type: ignore[no-untyped-call]
        if self._is_connected:
            collection.connection = _LeftOpen(collection.connection)
            collection.session = open_session(collection.connection)
            self._collection = collection
        return collection


class _LeftOpen:
    """A connection that is closed by `end` only: each call of `keyring` would close it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.end = connection.close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def close(self) -> None:
        """Leave it open."""


def state() -> Literal["open", "locked", "new"]:
    """Whether the default collection can be used; looks, and asks nobody anything."""
    with closing(secretstorage.dbus_init()) as bus:
        try:
            return "locked" if secretstorage.Collection(bus).is_locked() else "open"
        except secretstorage.ItemNotFoundException:
            return "new"
