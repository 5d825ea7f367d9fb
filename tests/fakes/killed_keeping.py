"""A program: writes a journal that keeps two full files, signs it and removes old ones, killed with
SIGKILL before each of its writes in turn, and holds what is left against the rules each time. Says
how many kills there were, and how many of them left a removal that was told and not done.

`python -m tests.fakes.killed_keeping FOLDER`. A process of its own, because it forks.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.audit.event import fields_of
from gateway.audit.files import all_files, lines_of
from gateway.audit.journal import Journal, Keeping
from gateway.audit.key import key_ref, place_of, reached_ref, signer_of
from gateway.audit.verify import Expected, Verdict, verify
from gateway.control_plane.audit_signer import AuditSigner
from identity.atomic_file import write_atomic
from identity.secret_stores.base import Secret, SecretRef, not_set
from identity.secret_stores.memory import MemoryStore

_WRITING_EVENTS = frozenset({"os.rename", "os.remove"})
_ROUNDS = 3


class FileStore(MemoryStore):
    """Secrets in a file that is replaced at once."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _kept(self) -> dict[str, str]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    async def get(self, ref: SecretRef) -> Secret:
        kept = self._kept()
        if ref.name not in kept:
            raise not_set(ref)
        return Secret(kept[ref.name])

    async def set(self, ref: SecretRef, value: Secret) -> None:
        kept = self._kept() | {ref.name: value.reveal()}
        write_atomic(self._path, json.dumps(kept).encode(), 0o600)


def arm(at: int) -> None:
    """Kill this process at its write number `at`, counted from 0."""
    left = [at]

    def fall() -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any) -> Any:
            fall()
            return call(*args)

        return counting

    sys.addaudithook(lambda event, _args: fall() if event in _WRITING_EVENTS else None)
    for name in ("fsync", "write"):
        setattr(os, name, counted(getattr(os, name)))


def signer_in(folder: Path) -> tuple[Journal, AuditSigner]:
    """The journal in a folder, and who signs it."""
    journal = Journal(folder / "audit.jsonl", project="acme")
    signer = AuditSigner(journal, FileStore(folder / "store.json"))
    journal.keeping = Keeping(file_bytes=1500, files=2, too_many=signer.too_many)
    return journal, signer


async def work(folder: Path) -> None:
    """Some rounds of a gateway."""
    journal, signer = signer_in(folder)
    for _ in range(_ROUNDS):
        for _ in range(6):
            journal.record("x", outcome="ok")
        await signer.sign()


async def verdict(folder: Path) -> Verdict:
    """By what the store knows."""
    store = FileStore(folder / "store.json")
    expected = Expected(
        keys=frozenset((signer_of(await store.get(key_ref("acme"))).public_key,)),
        reached=place_of(await store.get(reached_ref("acme"))),
    )
    files = [(item.name, lines_of(item)) for item in all_files(folder / "audit.jsonl")]
    return verify(files, expected)


async def check(folder: Path) -> bool:
    """No finding, now and after the next start; whether a removal was told and not done."""
    found = await verdict(folder)
    assert found.whole, found.problems
    lines = [line for item in all_files(folder / "audit.jsonl") for line in lines_of(item)]
    events = [fields_of(line) or {} for line in lines]
    told = {event["pruned"]["file"] for event in events if event.get("action") == "audit.pruned"}
    is_undone = any((folder / name).exists() for name in told)
    await signer_in(folder)[1].sign()
    found = await verdict(folder)
    assert found.whole, found.problems
    assert not any((folder / name).exists() for name in told)
    return is_undone


def killed_at(folder: Path, at: int) -> bool:
    """Work in a child that is killed at that write; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        arm(at)
        asyncio.run(work(folder))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def main(folder: Path) -> int:
    """See above."""
    folder.mkdir()
    asyncio.run(work(folder))
    kills, undone, copy = 0, 0, folder.with_name("copy")
    while True:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        was_killed = killed_at(copy, kills)
        undone += asyncio.run(check(copy))
        if not was_killed:
            sys.stdout.write(f"{kills} {undone}\n")
            return 0
        kills += 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
