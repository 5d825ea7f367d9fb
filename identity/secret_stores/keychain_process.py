"""The process in which the operating system's keychain is called; nothing else imports `keyring`.

A keychain that waits for a person, or hangs, can't be interrupted from within: this process can be
killed. It reads requests from its standard input, answers on its standard output, and ends when
its input ends, even in the middle of a call. No value is in its arguments, environment or log.
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, NoReturn, Protocol

from identity.errors import IdentityError
from identity.private_folder import make_private
from identity.secret_stores.base import SecretRef
from identity.secret_stores.binding import REBINDINGS, Asker, read_asker
from identity.secret_stores.item_codec import Damaged
from identity.secret_stores.keychain_bindings import Bindings
from identity.secret_stores.keychain_frames import Area, read_frame, write_frame
from identity.secret_stores.keychain_items import (
    Addresses,
    Items,
    ItemStore,
    ItemsUnavailable,
    ShardedItems,
    WholeItems,
)

State = Literal["open", "locked", "new"]

# One service name for each item, so the user name never tells items apart: Windows would move an
# item away when a second user name appears under its service name.
_USER: Final = "devwiz-gw"
#: What an area's addresses begin with: no project's name leads from one into the other.
_ROOTS: Final[dict[Area, str]] = {"secrets": "devwiz-gw", "vault": "devwiz-gw-vault"}


#: What is answered at once where nothing was ever kept: looking must ask nobody.
_LOOKING: Final = frozenset({"names", "get", "delete", "binding"})


class Keyring(Protocol):
    """What is used of a `keyring` backend."""

    def get_password(self, service: str, username: str) -> str | None:
        """The password, or None."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Create or replace."""
        ...

    def delete_password(self, service: str, username: str) -> None:
        """Remove; raises when it is missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One platform's keychain and its ways.

    Attributes:
        state: "open"; "locked", so that using it asks a person; "new": holds nothing yet, and the
            first write may ask a person.
        limit: UTF-16 code units that fit into an item, or None.
        fold_case: whether it takes capitals and small letters in an address for the same.
        removes_first: whether it replaces an item by removing it and adding another.
        connected: while it is entered, calls of `keyring` may share a connection.
    """

    keyring: Keyring
    state: Callable[[], State] = lambda: "open"
    limit: int | None = None
    fold_case: bool = False
    removes_first: bool = False
    connected: Callable[[], AbstractContextManager[None]] = nullcontext


def backend_of(platform: str) -> Backend:
    """The one keychain of `platform` (as `sys.platform` names it).

    It is made from its class: `keyring`'s own choice, which environment variables, files and
    installed packages can turn to any code, is never asked.

    Raises:
        ItemsUnavailable: none is known, or its libraries are missing.
    """
    try:
        if platform == "linux":
            from identity.secret_stores.secret_service import ConnectedSecretService, state

            service = ConnectedSecretService()
            return Backend(keyring=service, state=state, connected=service.connected)
        if platform == "darwin":
            from keyring.backends.macOS import Keyring as MacKeychain

            mac = MacKeychain()  # type: ignore[no-untyped-call]
            return Backend(keyring=mac, removes_first=True)
        if platform == "win32":
            from keyring.backends.Windows import WinVaultKeyring

            vault = WinVaultKeyring()  # type: ignore[no-untyped-call]
            # The default would let the item roam to the user's other machines.
            vault.persist = "local machine"
            # Credential blobs hold 2560 bytes, 1280 units; targets are compared without case.
            return Backend(keyring=vault, limit=1000, fold_case=True)
    except ImportError as error:
        raise ItemsUnavailable("absent", f"a library is missing: {error.name}") from error
    raise ItemsUnavailable("absent", f"no keychain is known for {platform}")


class KeyringItems:
    """The items of a `keyring` backend; its exceptions end here, and so do their texts."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def read(self, address: str) -> str | None:
        """See `Items.read`."""
        with _translated():
            return self._keyring.get_password(address, _USER)

    def write(self, address: str, text: str) -> None:
        """See `Items.write`."""
        with _translated():
            self._keyring.set_password(address, _USER, text)

    def remove(self, address: str) -> None:
        """See `Items.remove`."""
        if self.read(address) is None:
            return
        with _translated():
            self._keyring.delete_password(address, _USER)


class _Opened(NamedTuple):
    backend: Backend
    stores: dict[Area, ItemStore]
    bindings: Bindings


class Server:
    """Answers requests with one backend, which is made when the first request needs it, unless it
    was before.
    """

    def __init__(self, make_backend: Callable[[], Backend], *, lock_file: Path) -> None:
        self._make_backend = make_backend
        self._lock_file = lock_file
        self._opened: _Opened | None = None

    def answer(self, request: dict[str, Any], notify: Callable[[str], None]) -> dict[str, Any]:
        """The answer to a request; `notify` is called before waiting for a person."""
        try:
            return self._answer(request, notify)
        except ItemsUnavailable as error:
            return {"error": error.code, "reason": error.reason}
        except Damaged as error:
            return {"error": "damaged", "reason": str(error)}
        except IdentityError as error:
            told = {"kind": type(error).__name__, "reason": str(error), "hint": error.hint}
            return {"error": "refused", **told}
        except OSError as error:
            reason = f"{self._lock_file}: {error.strerror or type(error).__name__}"
            return {"error": "failed", "reason": reason.lower()}

    def _answer(self, request: dict[str, Any], notify: Callable[[str], None]) -> dict[str, Any]:
        opened = self.open()
        with opened.backend.connected():
            return self._answer_with(opened, request, notify)

    def _answer_with(
        self, opened: _Opened, request: dict[str, Any], notify: Callable[[str], None]
    ) -> dict[str, Any]:
        with _translated():
            state = opened.backend.state()
        op, project = request["op"], request["project"]
        if state == "new" and op in _LOOKING:
            return {"names": [], "value": None, "removed": False, "binding": None}
        store = opened.stores[request["area"]]
        if state != "open":
            if not request["unlock"]:
                raise ItemsUnavailable("locked", "nobody is asked to unlock it")
            notify("prompting")
            # A first read puts the question, while nothing holds up other writers.
            store.names(project)
        if op == "binding":
            binding = opened.bindings.read(project)
            return {"binding": None if binding is None else binding.text(project)}
        asker = read_asker(request["asker"])
        if op in REBINDINGS and asker is not None:
            binding = opened.bindings.rebind(project, op, asker, request["file"])
            return {"binding": binding.text(project)}
        return _used(store, opened.bindings, request, asker)

    def open(self) -> _Opened:
        """The backend and what is kept in it. Raises `ItemsUnavailable` where there is none."""
        self._opened = self._opened or self._made()
        return self._opened

    def _made(self) -> _Opened:
        backend = self._make_backend()
        items: Items = KeyringItems(backend.keyring)
        values = ShardedItems(
            WholeItems(items) if backend.removes_first else items,
            limit=backend.limit,
            new_generation=lambda: os.urandom(8).hex(),
        )
        addresses: dict[Area, Addresses] = {
            area: Addresses(root, fold_case=backend.fold_case) for area, root in _ROOTS.items()
        }

        def lock() -> AbstractContextManager[None]:
            return _locked(self._lock_file)

        stores = {area: ItemStore(values, where, lock=lock) for area, where in addresses.items()}
        bindings = Bindings(values, addresses["secrets"], lock=lock, clock=time.monotonic)
        return _Opened(backend, stores, bindings)


def _used(
    store: ItemStore, bindings: Bindings, request: dict[str, Any], asker: Asker | None
) -> dict[str, Any]:
    """The answer to a request for names or a secret, from whoever may use the project."""
    op, project = request["op"], request["project"]
    ref = None if op == "names" else SecretRef(project, request["name"])
    bound = asker is not None and bindings.admit(
        project, asker, is_storing=op == "set", is_kept=lambda: store.is_kept(project, ref)
    )
    if ref is None:
        return {"names": store.names(project), "bound": bound}
    if op == "get":
        return {"value": store.get(ref), "bound": bound}
    if op == "delete":
        return {"removed": store.delete(ref), "bound": bound}
    store.set(ref, request["value"])
    return {"bound": bound}


def serve(make_backend: Callable[[], Backend], *, lock_file: Path) -> NoReturn:
    """Answer requests on standard input until it ends."""
    _forbid_core_dumps()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    replies = _private_stdout()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    server = Server(make_backend, lock_file=lock_file)
    # Its libraries take their time; meanwhile whoever started this gets ready to ask.
    with suppress(ItemsUnavailable):
        server.open()
    gc.enable()  # it was off for the imports alone: a gateway's process lives for months
    while True:
        request = requests.get()
        reply = server.answer(request, lambda notice: write_frame(replies, {"notice": notice}))
        write_frame(replies, reply)


def _read_requests(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    while (request := read_frame(sys.stdin.buffer)) is not None:
        requests.put(request)
    # The parent is gone. The main thread may be stuck in a call that never returns.
    os._exit(0)


def _private_stdout() -> IO[bytes]:
    """The pipe to the parent, out of reach of any library that prints."""
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return replies


def _forbid_core_dumps() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextmanager
def _translated() -> Iterator[None]:
    """Make any error of the keychain an `ItemsUnavailable` that tells its kind, never its text."""
    try:
        yield
    except Exception as error:
        kind = type(error).__name__
        # KeyringLocked and InitError: the person, or nobody, dismissed the prompt.
        # PromptDismissedException is the same, from beneath.
        if kind in {"KeyringLocked", "InitError", "PromptDismissedException", "LockedException"}:
            raise ItemsUnavailable("locked", "the question to unlock it was dismissed") from error
        # A bus whose session has ended is a socket that is gone, or at which nobody listens.
        gone = isinstance(error, FileNotFoundError | ConnectionError)
        if gone or kind in {"NoKeyringError", "SecretServiceNotAvailableException"}:
            raise ItemsUnavailable("absent", "nothing answers on the session's bus") from error
        raise ItemsUnavailable("failed", getattr(error, "name", None) or kind) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process of this user at a time. It is given up when the holder dies."""
    make_private(path.parent)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def lock_file(home: Path) -> Path:
    """Where the writers of a user's keychain wait for each other."""
    return home / ".cache" / "devwiz-gw" / "keychain.lock"


def main() -> NoReturn:
    """Be the process."""
    serve(lambda: backend_of(sys.platform), lock_file=lock_file(Path.home()))
