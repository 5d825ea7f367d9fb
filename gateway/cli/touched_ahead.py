"""A touch that was given ahead: for several commands that it named, so often, within a time.

It lies in a private file beside the journal. What it allows is signed by the security key, so that
nobody can widen or prolong it; how much of it was used is counted in the journal alone.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway.cli.touch_ledger import TouchLedger, uses_of
from identity.errors import SecurityKeyUnavailable
from identity.mfa.assertion import ProofRefused, check_proof, decoded, encoded, proof_of
from identity.mfa.enrolled import EnrolledKeys, KeySlot
from identity.mfa.statement import Statement, statement_of
from identity.private_folder import make_private
from identity.strict_json import strict_value

_NAME: Final = "touched.json"
_MAX_BYTES: Final = 64 * 1024


class TouchedAhead:
    """The one touch that may lie ready beside the journal of `ledger`, for the project with these
    keys.
    """

    def __init__(
        self, folder: Path, keys: EnrolledKeys, ledger: TouchLedger, now: Callable[[], datetime]
    ) -> None:
        self._path = folder / _NAME
        self._keys = keys
        self._ledger = ledger
        self._now = now

    def give(self, statement: Statement, slot: KeySlot, proof: Mapping[str, str]) -> None:
        """Lay a touch ready, in the place of the one that was there; the journal tells of it.

        Raises:
            SecurityKeyUnavailable: the file can't be written.
            Fault: the journal can't be signed.
        """
        kept = {"statement": statement.fields(), "credential": encoded(slot.credential), **proof}
        with self._locked() as fd:
            self._ledger.sign()
            _write(fd, kept)

    def take(self, command: str, names: Sequence[str]) -> Statement | None:
        """Use the touch for this, which is on record then; None where it doesn't allow that, or not
        any more, or where the journal doesn't prove how often it was used.

        Raises:
            SecurityKeyUnavailable: the file can't be read.
            Fault: the use can't be written down, or not be signed.
        """
        if not self._path.exists():
            return None
        with self._locked() as fd:
            try:
                statement = self._proven(strict_value(os.pread(fd, _MAX_BYTES, 0)))
            except (ValueError, KeyError, TypeError, ProofRefused):
                return None
            if not self._allows(statement, command, names):
                return None
            used = self._ledger.used(statement)
            if used is None or used + uses_of(names) > statement.uses:
                return None
            # Whoever put another file in this one's place may have had two at it at a time.
            used = self._ledger.use(statement, names)
            return statement if used is not None and used <= statement.uses else None

    def _proven(self, kept: Mapping[str, Any]) -> Statement:
        statement = statement_of(kept["statement"])
        slot = self._keys.slot_of(decoded(kept["credential"]))
        check_proof(
            proof_of(kept),
            challenge=statement.challenge(),
            public_key=slot.public_key,
            verified=slot.verified,
        )
        return statement

    def _allows(self, statement: Statement, command: str, names: Sequence[str]) -> bool:
        return (
            statement.action == command
            and set(names) <= set(statement.names)
            and statement.is_in_time(self._now())
        )

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            make_private(self._path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            fd = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise SecurityKeyUnavailable(
                f"a touch can't be kept in {self._path}: {(error.strerror or '').lower()}"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)


def _write(fd: int, kept: Mapping[str, Any]) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(kept).encode(), 0)
    os.fsync(fd)
