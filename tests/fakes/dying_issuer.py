"""The issuer, really killed at each point of each thing that it does, and looked at afterwards.

`python -m tests.fakes.dying_issuer FOLDER [OPERATION …]` works in FOLDER and prints a JSON
document: by operation how many points there were. It ends with a traceback at the first point after
which the issuer or its clients can't go on as they should.

A point is where a statement of SQLite's is about to run (also BEGIN and COMMIT), and before and
after each call that writes, syncs, renames, makes or removes a file. For each point a process is
forked from this one, which has no other thread; it does the operation, and at the point sends
itself SIGKILL.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from OpenSSL import crypto

from certs import csr, keys
from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import AlreadyInitialized, OpenedIssuer, init, open_issuer
from certs.issuer.locking import LockOrder, LockRefused
from certs.issuer.locks import LockKind, Reason, Target
from certs.issuer.one_time_tokens import Grant
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import Issued
from certs.revocation import read_lists
from identity.secret_stores.base import Secret
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock, leaf_der, leaf_of

_CALLS: Final = ("write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")
_PEER: Final = "192.0.2.7"

CLOCK: Final = ManualClock()


class Death:
    """Counts the points of this process, and ends it at one of them."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._passed = 0
        self._real = {name: getattr(os, name) for name in _CALLS}

    def lie_in_wait(self) -> None:
        """From now on; for the rest of this process."""
        for name, real in self._real.items():
            setattr(os, name, self._watched(real))
        connect = sqlite3.connect

        def watched(*args: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **options)
            connection.set_trace_callback(self._point)
            return connection

        sqlite3.connect = watched  # type: ignore[assignment]

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self._point()
            result = real(*args, **options)
            self._point()
            return result

        return call

    def _point(self, _statement: str = "") -> None:
        self._passed += 1
        if self._passed == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class World:
    """What was there before an operation, and what its client remembers.

    `superseded` is of the same instance as `held`: who has it is a second holder. `key` is the one
    that the client asks with, again and again until it is answered.
    """

    unused_token: Secret
    held: Issued
    superseded: Issued
    bystander: Issued
    key: keys.PrivateKey
    other_key: keys.PrivateKey

    @property
    def target(self) -> Target:
        return Target(kind=LockKind.INSTANCE, name=self.held.instance)


Operation = Callable[[OpenedIssuer, World], Issued | None]


def join(issuer: OpenedIssuer, world: World) -> Issued:
    """A workload's first certificate."""
    return issuer.service.join(
        world.unused_token, csr.build(world.key), peer=_PEER, now=CLOCK.now()
    )


def after_join(issuer: OpenedIssuer, world: World) -> None:
    """The same key is answered, spends nothing more, and another one comes too late."""
    again = join(issuer, world)
    assert again.generation == 1
    assert (
        refusal(
            lambda: issuer.service.join(
                world.unused_token, csr.build(world.other_key), peer=_PEER, now=CLOCK.now()
            )
        )
        is Code.TOKEN_SPENT
    )
    assert renewed(issuer, again, keys.generate()).generation == 2
    assert not issuer.locking.locks(CLOCK.now())


def renew(issuer: OpenedIssuer, world: World) -> Issued:
    """A successor."""
    return renewed(issuer, world.held, world.key)


def after_renewal(issuer: OpenedIssuer, world: World) -> None:
    """The client asks again, and goes on from there."""
    again = renewed(issuer, world.held, world.key)
    assert again.generation == world.held.generation + 1
    assert renewed(issuer, again, keys.generate()).generation == again.generation + 1
    assert not issuer.locking.locks(CLOCK.now())


def after_both_died(issuer: OpenedIssuer, world: World) -> None:
    """The client died too, and asks with another key."""
    again = renewed(issuer, world.held, world.other_key)
    assert renewed(issuer, again, keys.generate()).generation == again.generation + 1
    assert not issuer.locking.locks(CLOCK.now())


def meet_copy(issuer: OpenedIssuer, world: World) -> None:
    """A second holder is found out."""
    assert refusal(lambda: renewed(issuer, world.superseded, world.key)) is Code.GENERATION_MISMATCH


def after_copy(issuer: OpenedIssuer, world: World) -> None:
    """It is found out again, or has been; both are out, and on the list."""
    code = refusal(lambda: renewed(issuer, world.superseded, world.key))
    assert code in {Code.GENERATION_MISMATCH, Code.INSTANCE_LOCKED}
    assert refusal(lambda: renewed(issuer, world.held, world.other_key)) is Code.INSTANCE_LOCKED
    assert serial(world.held) in revoked(issuer)
    (lock,) = issuer.locking.locks(CLOCK.now())
    assert lock.target == world.target


def lock(issuer: OpenedIssuer, world: World) -> None:
    """An operator's lock."""
    order = LockOrder(target=world.target, revoke=Reason.KEY_COMPROMISE)
    issuer.locking.lock(order, CLOCK.now())


def after_lock(issuer: OpenedIssuer, world: World) -> None:
    """The lock is whole or not there; set again, it holds."""
    is_locked = bool(issuer.locking.locks(CLOCK.now()))
    assert (serial(world.held) in revoked(issuer)) == is_locked
    lock(issuer, world)
    assert refusal(lambda: renewed(issuer, world.held, world.key)) is Code.INSTANCE_LOCKED
    assert serial(world.held) in revoked(issuer)


def unlock(issuer: OpenedIssuer, world: World) -> None:
    """Lift a lock that was set before."""
    issuer.locking.unlock(world.target, CLOCK.now())


def before_unlock(issuer: OpenedIssuer, world: World) -> None:
    """A hold, which ends with its lock."""
    issuer.locking.lock(LockOrder(target=world.target), CLOCK.now())
    revoked(issuer)


def after_unlock(issuer: OpenedIssuer, world: World) -> None:
    """It is lifted, or can be."""
    is_locked = bool(issuer.locking.locks(CLOCK.now()))
    assert (serial(world.held) in revoked(issuer)) == is_locked
    try:
        unlock(issuer, world)
    except LockRefused:
        assert not is_locked
    assert not revoked(issuer)
    renewed(issuer, world.held, world.key)


def sign_lists(issuer: OpenedIssuer, _world: World) -> None:
    """Revocation lists with something new to say."""
    issuer.service.revocation_lists(CLOCK.now())


def after_signing(issuer: OpenedIssuer, world: World) -> None:
    """A list is there, and says it."""
    assert serial(world.held) in revoked(issuer)


def make_token(issuer: OpenedIssuer, _world: World) -> None:
    """A token, which is lost."""
    issuer.service.make_token(Grant(workload="lost"), CLOCK.now())


def after_token(issuer: OpenedIssuer, _world: World) -> None:
    """Another one is good."""
    _join_anew(issuer)


def _join_anew(issuer: OpenedIssuer) -> None:
    token = issuer.service.make_token(Grant(workload="found"), CLOCK.now()).text
    issuer.service.join(token, csr.build(keys.generate()), peer=_PEER, now=CLOCK.now())


def prune(issuer: OpenedIssuer, _world: World) -> None:
    """Forget what ended long ago: nothing of this world's present."""
    issuer.service.prune(CLOCK.now())


def rotate(issuer: OpenedIssuer, _world: World) -> None:
    """A new authority, which signs from then on."""
    issuer.rotation.enter(Phase.INIT, CLOCK.now())
    issuer.rotation.enter(Phase.UPDATE_CLIENTS, CLOCK.now())


def after_rotation(issuer: OpenedIssuer, world: World) -> None:
    """The rotation goes on from where it was; whoever has a certificate is good in each phase."""
    assert verdict(issuer, world.bystander) == "good"
    phase = issuer.rotation.view(CLOCK.now()).rotation.phase
    if phase is Phase.STANDBY:
        issuer.rotation.enter(Phase.INIT, CLOCK.now())
    issuer.rotation.enter(Phase.UPDATE_CLIENTS, CLOCK.now())
    assert verdict(issuer, renewed(issuer, world.held, world.key)) == "good"


def nothing(_issuer: OpenedIssuer, _world: World) -> None:
    """No preparation."""


#: By name: what comes before, the operation, and what must hold after a death in it.
OPERATIONS: Final[dict[str, tuple[Operation, Operation, Operation]]] = {
    "token": (nothing, make_token, after_token),
    "join": (nothing, join, after_join),
    "renew": (nothing, renew, after_renewal),
    "renew, and the client dies too": (nothing, renew, after_both_died),
    "copy": (nothing, meet_copy, after_copy),
    "lock": (nothing, lock, after_lock),
    "unlock": (before_unlock, unlock, after_unlock),
    "revocation lists": (lock, sign_lists, after_signing),
    "prune": (nothing, prune, after_renewal),
    "rotation": (nothing, rotate, after_rotation),
}


def main(argv: list[str]) -> int:
    """See the module."""
    home = Path(argv[0])
    wanted = argv[1:] or ["init", *OPERATIONS]
    points = {name: _tried_init(home) for name in wanted if name == "init"}
    for name in wanted:
        if name != "init":
            points[name] = _tried(home / name.replace(" ", "-"), *OPERATIONS[name])
    sys.stdout.write(json.dumps(points))
    return 0


def _tried(home: Path, prepare: Operation, operation: Operation, check: Operation) -> int:
    template = home / "template"
    world = _made(template)
    with opened(template) as issuer:
        prepare(issuer, world)
    for at in range(1, 1000):
        folder = home / "issuer"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        is_alive = _survived(at, partial(_with_issuer, folder, operation, world))
        with opened(folder) as issuer:
            check(issuer, world)
            assert renewed(issuer, world.bystander, keys.generate()).generation == 2
            assert verdict(issuer, world.bystander) == "good"
        _check_books(folder)
        if is_alive:
            return at - 1
    raise AssertionError("the operation has no end")


def _tried_init(home: Path) -> int:
    for at in range(1, 1000):
        folder = home / "new"
        shutil.rmtree(folder, ignore_errors=True)
        make = partial(init, folder, trust_domain=TRUST_DOMAIN, now=CLOCK.now())
        is_alive = _survived(at, make)
        with suppress(AlreadyInitialized):
            make()
        with opened(folder) as issuer:
            _join_anew(issuer)
        _check_books(folder)
        if is_alive:
            return at - 1
    raise AssertionError("the operation has no end")


def _survived(at: int, act: Callable[[], object]) -> bool:
    """Whether a process that does it got to the end: it hasn't that many points."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            Death(at).lie_in_wait()
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the operation failed without being killed"
    return True


def _with_issuer(folder: Path, operation: Operation, world: World) -> None:
    with opened(folder) as issuer:
        operation(issuer, world)


def _made(folder: Path) -> World:
    init(folder, trust_domain=TRUST_DOMAIN, now=CLOCK.now())
    with opened(folder) as issuer:
        service = issuer.service

        def token(workload: str, uses: int = 1) -> Secret:
            grant = Grant(workload=workload, uses=uses)
            return service.make_token(grant, CLOCK.now()).text

        def joined(token: Secret) -> Issued:
            request = csr.build(keys.generate())
            return service.join(token, request, peer=_PEER, now=CLOCK.now())

        shared = token("planner", uses=2)
        superseded = joined(shared)
        held = superseded
        for _ in range(2):
            held = renewed(issuer, held, keys.generate())
        return World(
            unused_token=token("coder"),
            held=held,
            superseded=superseded,
            bystander=joined(shared),
            key=keys.generate(),
            other_key=keys.generate(),
        )


def _check_books(folder: Path) -> None:
    """Every released certificate is in the state, and the file is whole."""
    state = sqlite3.connect(folder / "state.db")
    assert state.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = {row[0] for row in state.execute("SELECT serial FROM certificates")}
    orphans = state.execute(
        "SELECT count(*) FROM certificates WHERE instance_id NOT IN (SELECT id FROM instances)"
    ).fetchone()
    state.close()
    assert orphans == (0,)
    lines = (folder / "audit.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert {
        line["serial"] for line in told if line["outcome"] == "allow" and "serial" in line
    } <= kept


@contextmanager
def opened(folder: Path) -> Iterator[OpenedIssuer]:
    """An issuer of this folder."""
    issuer = open_issuer(folder)
    try:
        yield issuer
    finally:
        issuer.service.close()


def renewed(issuer: OpenedIssuer, held: Issued, key: keys.PrivateKey) -> Issued:
    """What a client gets."""
    request = csr.build(key)
    return issuer.service.renew(leaf_der(held), request, peer=_PEER, now=CLOCK.now())


def refusal(act: Callable[[], object]) -> Code | None:
    """The code with which it is refused, if it is."""
    try:
        act()
    except Refused as error:
        return error.code
    return None


def serial(issued: Issued) -> int:
    """Of its leaf."""
    return leaf_of(issued).serial_number


def revoked(issuer: OpenedIssuer) -> set[int]:
    """The serial numbers on the lists of now."""
    lists = read_lists(issuer.service.revocation_lists(CLOCK.now()).pem)
    return {entry.serial_number for item in lists for entry in item}


def verdict(issuer: OpenedIssuer, issued: Issued) -> str:
    """What a verifier with the bundle and the lists of now makes of a certificate."""
    leaf, *others = x509.load_pem_x509_certificates(issued.chain_pem)
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)
    store.set_time(CLOCK.now())
    for root in x509.load_pem_x509_certificates(issuer.service.bundle().pem):
        store.add_cert(crypto.X509.from_cryptography(root))
    for item in read_lists(issuer.service.revocation_lists(CLOCK.now()).pem):
        store.add_crl(item)
    chain = [crypto.X509.from_cryptography(item) for item in others]
    try:
        crypto.X509StoreContext(
            store, crypto.X509.from_cryptography(leaf), chain
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return "good"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
