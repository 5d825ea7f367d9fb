"""A program: takes one step of a rotation over and over, killed with SIGKILL before each of its
writes in turn, and holds what is left against the rules each time. Says how many kills there were.

`python -m tests.fakes.killed_step FOLDER STEP`; the folder holds an issuer just before that step.
A process of its own, because it forks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certs import csr, keys
from certs.issuer import ca
from certs.issuer.authorities import authority_folder
from certs.issuer.ca_rotation import Phase, Rotation
from certs.issuer.folder import OpenedIssuer, open_issuer
from certs.issuer.one_time_tokens import Grant
from certs.verify import verify_identity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
RETIRE = "retire"
_WRITING_EVENTS = frozenset({"os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"})


class Axe:
    """Kills this process at the write number `at`, counted from 0."""

    def __init__(self, at: int) -> None:
        self._left = at

    def arm(self, opened: OpenedIssuer) -> None:
        """Count files' and the database's writes from now on."""
        sys.addaudithook(lambda event, _args: self._fall(event in _WRITING_EVENTS))
        for name in ("fsync", "write"):
            setattr(os, name, self._counted(getattr(os, name)))
        # Each statement, COMMIT included; SQLite itself sees to what is within one.
        opened.service._store._db.set_trace_callback(lambda _statement: self._fall())

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self._fall()
            return call(*args)

        return counted

    def _fall(self, is_write: bool = True) -> None:
        if not is_write:
            return
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def take(opened: OpenedIssuer, step: str) -> None:
    """The step itself."""
    if step == RETIRE:
        opened.rotation.tick(LATER)
    else:
        opened.rotation.enter(Phase(step), NOW)


def killed_at(folder: Path, step: str, at: int) -> bool:
    """Take the step in a child that is killed at that write; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        opened = open_issuer(folder)
        Axe(at).arm(opened)
        take(opened, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def check(folder: Path, step: str, before: Rotation) -> None:
    """The state is the one before the step or the one after it, and the step can be taken again."""
    opened = open_issuer(folder)
    try:
        found = opened.rotation.view(NOW).rotation
        assert found == before or _is_after(found, step), found
        _check_files(folder, opened)
        _check_issue(opened)
        take(opened, step)
        assert _is_after(opened.rotation.view(NOW).rotation, step)
        _check_files(folder, opened)
        _check_issue(opened)
        opened.rotation.tick(NOW if step != RETIRE else LATER)
        kept = {path.name for path in (folder / "authorities").iterdir()}
        rows = opened.service._store.authorities.roots()
        assert kept == {str(number) for number in rows}, (kept, set(rows))
    finally:
        opened.service.close()
    for line in (folder / "audit.jsonl").read_text().splitlines():
        json.loads(line)


def _is_after(rotation: Rotation, step: str) -> bool:
    return not rotation.retired if step == RETIRE else rotation.phase == step


def _check_files(folder: Path, opened: OpenedIssuer) -> None:
    rotation = opened.rotation.view(NOW).rotation
    rows = opened.service._store.authorities.roots()
    assert set(rows) == set(rotation.trusted)
    assert opened.service._store.authorities.active() == rotation.workload_signer
    for number, pem in rows.items():
        loaded = ca.load(authority_folder(folder, number))
        assert ca.to_pem(loaded.root).decode() == pem


def _check_issue(opened: OpenedIssuer) -> None:
    """A certificate can be had, and is good by its bundle."""
    token = opened.service.make_token(Grant(workload="planner"), NOW).text
    key = keys.generate()
    issued = opened.service.join(token, csr.build(key), peer="", now=NOW)
    verify_identity(
        key=key,
        chain_pem=issued.chain_pem,
        bundle_pem=issued.bundle.pem,
        spiffe_id=None,
        trust_domain=None,
        now=NOW,
        min_life=timedelta(0),
        max_life=timedelta(days=2),
    )


def main(folder: Path, step: str) -> int:
    """See above."""
    opened = open_issuer(folder)
    before = opened.rotation.view(NOW).rotation
    opened.service.close()
    kills, work = 0, folder.with_name("work")
    while True:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder, work)
        was_killed = killed_at(work, step, kills)
        check(work, step, before)
        if not was_killed:
            sys.stdout.write(f"{kills}\n")
            return 0
        kills += 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
