"""The process that holds an unlocked vault's key, from unlocking to locking.

`python -I -m identity.secret_stores.vault.agent` reads one message from its standard input, with
the master key in it; the key is never in arguments, environment or a file. It then answers programs
of its own user on a Unix socket, one request a connection, with names and values and never with a
key. It ends when it is told to, by SIGTERM, SIGINT or SIGHUP, and when nobody asked for a while.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from identity.errors import IdentityError, StoreUnavailable
from identity.hardening import harden_process
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.binding import REBINDINGS, Asker, read_asker
from identity.secret_stores.keychain_frames import read_frame, write_frame
from identity.secret_stores.vault.contents import Mark
from identity.secret_stores.vault.keys import Keys
from identity.secret_stores.vault.locked_memory import LockedMemory
from identity.secret_stores.vault.marks import MarkInKeychain, MarkKeeper
from identity.secret_stores.vault.peer import is_own_process
from identity.secret_stores.vault.place import Place, check_private
from identity.secret_stores.vault.socket_path import reachable
from identity.secret_stores.vault.vault import Vault

_REQUEST_TIMEOUT_S: Final = 10.0
_MAX_CALLERS: Final = 32
# How late a wake-up from sleep may be noticed.
_TICK_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a process is started with. `auto_lock_s` of 0 means never; `seen` is the state in which
    the vault was unlocked.
    """

    place: Place
    vault_id: bytes
    auto_lock_s: float
    mark_in_keychain: bool
    seen: Mark | None = None

    def message(self, master: bytes) -> dict[str, Any]:
        """The order as a message to the process's standard input."""
        return {
            "folder": str(self.place.folder),
            "state": str(self.place.state),
            "vault_id": self.vault_id.hex(),
            "auto_lock_s": self.auto_lock_s,
            "mark_in_keychain": self.mark_in_keychain,
            "seen": None if self.seen is None else [self.seen.epoch, self.seen.root.hex()],
            "master": base64.b64encode(master).decode(),
        }


def read_order(message: dict[str, Any]) -> Order:
    """The order in a message; the master key stays where it is."""
    return Order(
        place=Place(Path(message["folder"]), Path(message["state"])),
        vault_id=bytes.fromhex(message["vault_id"]),
        auto_lock_s=float(message["auto_lock_s"]),
        mark_in_keychain=bool(message["mark_in_keychain"]),
        seen=_seen(message["seen"]),
    )


def _seen(told: list[Any] | None) -> Mark | None:
    return None if told is None else Mark(int(told[0]), bytes.fromhex(told[1]))


class Agent:
    """Answers on `listener` until it is told to stop, or unused for `auto_lock_s`."""

    def __init__(
        self,
        vault: Vault,
        listener: socket.socket,
        *,
        auto_lock_s: float,
        clock: Callable[[], float],
        wipe: Callable[[], None],
    ) -> None:
        self._vault = vault
        self._listener = listener
        self._auto_lock_s = auto_lock_s
        self._clock = clock
        self._wipe = wipe
        self._ended = threading.Event()
        self._used = clock()
        self._turn = threading.Lock()
        self._callers = threading.BoundedSemaphore(_MAX_CALLERS)
        self._woken, self._wake = socket.socketpair()

    def run(self) -> None:
        """Answer until the vault is to be locked; the key is wiped then."""
        try:
            self._run()
        finally:
            # Whoever has just connected is not left waiting.
            self._listener.close()
            # A change that has begun is finished, if it doesn't take for ever.
            self._turn.acquire(timeout=_REQUEST_TIMEOUT_S)
            self._wipe()
            self._ended.set()

    def _run(self) -> None:
        with self._woken, self._wake:
            while (left := self._left_s()) > 0:
                ready, _, _ = select.select(
                    [self._listener, self._woken], [], [], min(left, _TICK_S)
                )
                if self._woken in ready:
                    return
                if ready:
                    self._accept()

    def stop(self) -> None:
        """Make `run` return; callable from a signal handler and from any thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        try:
            if self._left_s() <= 0:
                self.stop()
                raise StoreUnavailable("the vault was just locked", hint="unlock it again")
            with self._turn:
                answer = self._answer(request)
            if request["op"] not in {"status", "lock", "check"}:
                self._used = self._clock()
        except IdentityError as error:
            return {"error": type(error).__name__, "message": str(error), "hint": error.hint}
        except (KeyError, TypeError, AttributeError):
            return {"error": "StoreUnavailable", "message": "the request is not known", "hint": ""}
        return answer

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        op, asker = request["op"], read_asker(request["asker"])
        if op == "status":
            return {"auto_lock_s": self._auto_lock_s, "pid": os.getpid()}
        if op == "lock":
            return {}
        if op == "check":
            return self._vault.check().facts()
        if op == "binding":
            binding = self._vault.binding(request["project"])
            return {"binding": None if binding is None else binding.text(request["project"])}
        if op in REBINDINGS and asker is not None:
            binding = self._vault.rebind(request["project"], op, asker, request["file"])
            return {"binding": binding.text(request["project"])}
        bound: list[str] = []
        asker = None if asker is None else replace(asker, on_bound=bound.append)
        return {**self._performed(request, asker), "bound": bool(bound)}

    def _performed(self, request: dict[str, Any], asker: Asker | None) -> dict[str, Any]:
        op = request["op"]
        if op == "names":
            return {"names": self._vault.names(request["project"], asker)}
        ref = SecretRef(request["project"], request["name"])
        if op == "get":
            return {"value": self._vault.get(ref, asker).reveal()}
        if op == "delete":
            self._vault.delete(ref, asker)
        elif op == "set":
            self._vault.set(ref, Secret(request["value"]), asker)
        else:
            raise KeyError(op)
        return {}

    def _left_s(self) -> float:
        if not self._auto_lock_s:
            return _TICK_S
        return self._used + self._auto_lock_s - self._clock()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if not self._callers.acquire(blocking=False):
            connection.close()
            return
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                if not is_own_process(connection):
                    return
                connection.settimeout(_REQUEST_TIMEOUT_S)
                with connection.makefile("rwb") as stream:
                    request = read_frame(stream)
                    if request is None:
                        return
                    write_frame(stream, self.answer(request))
                    if request.get("op") == "lock":
                        self.stop()
                        # The caller waits for the connection's end, and so for the key's.
                        self._ended.wait()
        finally:
            self._callers.release()


@contextmanager
def listening(place: Place) -> Iterator[socket.socket]:
    """The socket, mode 0600, of the one process that may hold this vault's key.

    Raises:
        StoreUnavailable: there is such a process already, or the socket can't be made.
    """
    check_private(place)
    try:
        holder = os.open(place.holder, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _no_socket(place, error) from error
    try:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreUnavailable(
                "the vault is unlocked already", hint="'devwiz-gw vault lock' locks it"
            ) from None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            try:
                place.socket.unlink(missing_ok=True)
                with reachable(place.socket) as address:
                    listener.bind(address)
                place.socket.chmod(0o600)
                listener.listen(_MAX_CALLERS)
                listener.setblocking(False)
            except OSError as error:
                raise _no_socket(place, error) from error
            yield listener
            place.socket.unlink(missing_ok=True)
    finally:
        os.close(holder)


def _no_socket(place: Place, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"can't listen on {place.socket}: {(error.strerror or str(error)).lower()}",
        hint="its folder must be writable, on a local disk, and its path short",
    )


def serve(order: Order, master: LockedMemory, ready: Callable[[], None]) -> None:
    """Hold the key until the vault is to be locked; `ready` is called once callers are answered."""
    vault = Vault(
        order.place,
        lambda: Keys(master.read(), order.vault_id),
        far=_far_marks(order) if order.mark_in_keychain else (),
        seen=order.seen,
    )
    try:
        with listening(order.place) as listener:
            agent = Agent(
                vault,
                listener,
                auto_lock_s=order.auto_lock_s,
                clock=_clock_that_counts_sleep,
                wipe=master.wipe,
            )
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, lambda *_: agent.stop())
            ready()
            agent.run()
    finally:
        master.wipe()


def _far_marks(order: Order) -> tuple[MarkKeeper, ...]:
    from identity.secret_stores.keychain import Keychain
    from identity.secret_stores.keychain_helper import KeychainHelper

    # Nobody is at hand to answer a question of the keychain's.
    keychain = Keychain(KeychainHelper(os.environ), area="vault", may_prompt=False)
    return (MarkInKeychain(keychain, order.vault_id),)


def _clock_that_counts_sleep() -> float:
    """A laptop that was asleep for long is locked when it wakes."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


def main() -> int:
    """Run with the order from standard input; say on standard output when it is carried out."""
    harden_process()
    message = read_frame(sys.stdin.buffer)
    if message is None:
        return 1
    order = read_order(message)
    master = LockedMemory(base64.b64decode(message.pop("master")))
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    os.chdir("/")

    def ready() -> None:
        write_frame(replies, {"memory_locked": master.is_locked})
        replies.close()

    try:
        serve(order, master, ready)
    except IdentityError as error:
        if not replies.closed:
            write_frame(replies, {"error": str(error), "hint": error.hint})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
