"""`run --on-rotate`: a program whose secrets may get new values while it runs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NoReturn

from gateway.cli import output
from gateway.cli.parsers import UsageError
from gateway.cli.snapshot import Snapshot, text_of
from gateway.config.on_switch import on_switch
from gateway.config.table import Rejected
from gateway.injection import child, delivery
from gateway.rotation.watch import Watch
from identity.fault import Fault

#: How often it is looked whether a secret was switched.
LOOK_S: Final = 1.0
#: How long a program may take to end before it is killed.
END_S: Final = 10.0

#: Runs the program in the process that it is called in, with these values, by variable, and the
#: folder that it was given; the wait status.
Execute = Callable[[Mapping[str, str], Path | None], int]


def policies(snapshot: Snapshot, secrets: Iterable[str], *, said: str | None) -> dict[str, str]:
    """What is to be done at the switch of each of the secrets, where that is anything: what
    `--on-rotate` said, else its table `[rotate.NAME]`.

    Raises:
        UsageError: `--on-rotate` is not understood.
    """
    names = set(secrets)
    if said is not None:
        try:
            chosen = on_switch(said)
        except Rejected as rejected:
            raise UsageError(f"--on-rotate: {rejected.message}", hint=rejected.hint) from None
        found = dict.fromkeys(names, chosen)
    else:
        found = {name: policy for name, policy in _in_file(snapshot) if name in names}
    return {name: policy for name, policy in found.items() if policy != "leave"}


def _in_file(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    tables = snapshot.raw.get("rotate")
    for name in tables if isinstance(tables, dict) else ():
        try:
            policy = on_switch(text_of(tables, name, "on_switch") or "leave")
        except Rejected:
            continue  # `config check` tells
        yield text_of(tables, name, "secret") or name, policy


class RotatingRun:
    """Runs a program, and starts it again or signals it when a secret of it was switched.

    Args:
        watch: was made before the first values were read.
        wanted: what to do at the switch of each secret.
        fresh: reads the values again, each of which is in the journal before it is given.
        folder: makes a private folder for one start, where values are delivered by files.
    """

    def __init__(
        self,
        watch: Watch,
        wanted: Mapping[str, str],
        fresh: Callable[[], dict[str, str]],
        folder: Callable[[], AbstractContextManager[Path | None]],
    ) -> None:
        self._watch = watch
        self._wanted = wanted
        self._fresh = fresh
        self._folder = folder

    def run(self, values: Mapping[str, str], execute: Execute) -> int:
        """The wait status of the program's last start."""
        child.block_signals()
        while True:
            with self._folder() as folder:
                pid = _fork(values, execute, folder)
                after = self._attend(pid, folder)
                if isinstance(after, int):
                    return after
                _end(pid)
                values = after

    def _attend(self, pid: int, folder: Path | None) -> int | dict[str, str]:
        """The wait status; or the values that the program is to be started again with."""
        renewed: dict[str, str] = {}

        def look() -> bool:
            changed = [self._wanted.get(name, "leave") for name in self._watch.changed()]
            policies = [policy for policy in changed if policy != "leave"]
            if policies and (values := self._again()) is not None:
                if "restart" in policies:
                    renewed.update(values)
                    return True
                for policy in policies:
                    _signal(pid, policy, values, folder)
            return False

        status = child.wait_until(pid, look, every_s=LOOK_S)
        return renewed if status is None else status

    def _again(self) -> dict[str, str] | None:
        """The values of now; a program that can't have them goes on with those that it has."""
        try:
            return self._fresh()
        except Fault as error:
            output.fault(error)
            return None


def _signal(pid: int, policy: str, values: Mapping[str, str], folder: Path | None) -> None:
    if folder is not None and not any(path.is_fifo() for path in folder.iterdir()):
        delivery.rewrite(values, folder)
    child.send(pid, signal.Signals[f"SIG{policy.partition(':')[2]}"])


def _fork(values: Mapping[str, str], execute: Execute, folder: Path | None) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be(parent, lambda: execute(values, folder))
    return pid


def _be(parent: int, become: Callable[[], int]) -> NoReturn:
    """A child of a fork may not go on in the parent's code, whatever happens."""
    code = 1
    try:
        child.die_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        code = child.end_like(become())
    except child.CommandFailed as error:
        output.fault(error)
        code = error.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end(pid: int) -> None:
    """Ask the program to end, and end it if it doesn't."""
    child.send(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_S
    if child.wait_until(pid, lambda: time.monotonic() > deadline, every_s=0.1) is None:
        child.send(pid, signal.SIGKILL)
        child.wait(pid)
