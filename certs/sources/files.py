"""The identity source for files that somebody else writes: `tbot` outputs, cert-manager volumes,
spiffe-helper, a person with `openssl`.

Writers replace files in many ways: in place, by rename, by swapping a link to a whole folder
(`..data` in Kubernetes volumes). So the files are looked at by their state every few seconds, which
also works where change notifications don't; and what is read is used only if nothing moved
meanwhile and key and certificate fit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from certs import keys
from certs.bundle import TrustBundle
from certs.clock import Clock, SystemClock
from certs.errors import InvalidCertificate, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.sources.base import Identity
from certs.verify import verify_identity
from identity.spiffe import SpiffeId

_LOG: Final = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_FILE_BYTES: Final = 1024 * 1024
_READ_TIMEOUT_S: Final = 10.0
_TRIES: Final = 5
# A file's times are some milliseconds coarse, so a second write within one of them doesn't show.
# Therefore content is compared at the first look after a read, and at the one an interval later.
_LOOKS_TO_READ: Final = 2
_PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Texts:
    """The content of the three files, as it was at one moment."""

    certificate: bytes
    private_key: bytes
    trust_bundle: bytes

    @property
    def digest(self) -> bytes:
        parts = (self.certificate, self.private_key, self.trust_bundle)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


class FilesSource:
    """An `IdentitySource` over a chain, its key and a trust bundle, PEM.

    `certificate` and `private_key` may be the same file. The key must be readable by nobody but its
    owner and a group of this process (Kubernetes' fsGroup). None of the folders may be writable by
    everybody, unless it is sticky like /tmp and the file in it belongs to this user or to root.

    With `spiffe_id`, a certificate for another name is not taken.
    """

    name = "files"

    def __init__(
        self,
        certificate: Path,
        private_key: Path,
        trust_bundle: Path,
        *,
        spiffe_id: str = "",
        poll_interval_s: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self._trust_bundle = trust_bundle
        self._spiffe_id = SpiffeId.parse_leaf(spiffe_id) if spiffe_id else None
        self._poll_interval_s = poll_interval_s
        self._clock = clock or SystemClock()
        # What the last `obtain` met; no digest when it came to nothing.
        self._seen_state: object = None
        self._seen_digest: bytes | None = None
        self._looks_to_read = 0

    def __repr__(self) -> str:
        return f"FilesSource({self._certificate})"

    async def obtain(self, current: Generation | None) -> Identity:  # noqa: ARG002 - the protocol's
        """See `IdentitySource.obtain`. Files that didn't change give the same identity again."""
        self._seen_state = await self._in_thread(self._state)
        self._seen_digest = None
        texts = await self._in_thread(self._read)
        identity = self._identity(texts)
        self._seen_digest = texts.digest
        self._looks_to_read = _LOOKS_TO_READ
        return identity

    async def changed(self) -> None:
        """Return when what `obtain` would find differs from what it found last."""
        while True:
            if await self._has_changed():
                return
            await self._clock.sleep(self._poll_interval_s)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _has_changed(self) -> bool:
        try:
            state = await self._in_thread(self._state)
            # After a failure anything new is worth a try: a mode that was mended, say.
            if self._seen_digest is None:
                return state != self._seen_state
            if state == self._seen_state and not self._looks_to_read:
                return False
            self._looks_to_read = max(0, self._looks_to_read - 1)
            texts = await self._in_thread(self._read)
        except (SourceUnavailable, SourceDenied) as fault:
            _LOG.debug("the identity's files moved and are not usable yet: %s", fault)
            return False
        if texts.digest == self._seen_digest:
            self._seen_state = state
            return False
        return True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                return await asyncio.to_thread(work)
        except TimeoutError as error:
            raise SourceUnavailable(
                f"{self._certificate.parent} did not answer within {_READ_TIMEOUT_S:.0f} s",
                hint="is it on a network file system that is away?",
            ) from error

    def _identity(self, texts: _Texts) -> Identity:
        try:
            key = keys.from_pem(_key_block(texts.private_key))
        except InvalidCertificate as error:
            raise ReplyRejected(f"{self._private_key}: {error}", hint=error.hint) from error
        try:
            TrustBundle.from_pem(texts.trust_bundle)  # only to blame the right file
        except InvalidCertificate as error:
            raise ReplyRejected(f"{self._trust_bundle}: {error}", hint=error.hint) from error
        try:
            return verify_identity(
                key=key,
                chain_pem=texts.certificate,
                bundle_pem=texts.trust_bundle,
                spiffe_id=self._spiffe_id,
                trust_domain=None,
                now=self._clock.now(),
                # Its life is for whoever wrote it to choose.
                min_life=timedelta(0),
                max_life=timedelta.max,
            )
        except ReplyRejected as error:
            hint = error.hint or "key, certificate and bundle must belong together"
            raise ReplyRejected(f"{self._certificate}: {error}", hint=hint) from error

    # In a thread

    @property
    def _paths(self) -> tuple[Path, ...]:
        return (self._certificate, self._private_key, self._trust_bundle)

    def _state(self) -> object:
        """A value that differs when a file, a folder's mode or a link on the way does."""
        return tuple(_state_of(path) for path in self._paths)

    def _read(self) -> _Texts:
        for _ in range(_TRIES):
            before = self._state()
            texts = _Texts(
                certificate=_read(self._certificate),
                private_key=_read(self._private_key, is_key=True),
                trust_bundle=_read(self._trust_bundle),
            )
            if self._state() == before:
                return texts
        raise SourceUnavailable(
            f"{self._certificate.parent} keeps changing while it is read",
            hint="does something rewrite the files in a loop?",
        )


def _state_of(path: Path) -> tuple[object, ...] | None:
    try:
        resolved = path.resolve(strict=True)
        facts = resolved.stat()
        folders = [folder.stat() for folder in (path.parent, resolved.parent)]
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return None
    return (
        resolved,
        facts.st_dev,
        facts.st_ino,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,  # moves with the mode, too
        *((folder.st_mode, folder.st_uid) for folder in folders),
    )


def _read(path: Path, *, is_key: bool = False) -> bytes:
    try:
        _check_folders(path)
        with open(path, "rb", opener=_open_at_once) as file:
            _check_file(path, os.fstat(file.fileno()), is_key=is_key)
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceUnavailable(
            f"{path} doesn't exist", hint="it is taken in as soon as somebody writes it"
        ) from error
    except PermissionError as error:
        raise SourceDenied(
            f"{path} is not readable", hint="give the gateway's user the right to read it"
        ) from error
    except (OSError, RuntimeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
        raise SourceUnavailable(f"{path} can't be read: {reason}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise SourceDenied(f"{path} is larger than 1 MiB", hint="is it the right file?")
    return data


def _open_at_once(path: str, flags: int) -> int:
    # A named pipe must not hang the thread that opens it; what was opened is checked to be a file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_folders(path: Path) -> None:
    """Who can write to a folder can put another file there. Looked at on both sides of a link."""
    if os.name != "posix":
        return
    for entry in {path, path.resolve(strict=True)}:
        if entry.parent.stat().st_mode & stat.S_IWOTH and not _is_kept_by_sticky_bit(entry):
            raise SourceDenied(
                f"everybody may write to {entry.parent}",
                hint=f"chmod o-w {entry.parent}, or move the files to a folder of their own",
            )


def _is_kept_by_sticky_bit(entry: Path) -> bool:
    """In a sticky folder only the owners of the entry and of the folder can put another there. So
    Kubernetes mounts its volumes.
    """
    folder = entry.parent.stat()
    return bool(folder.st_mode & stat.S_ISVTX) and {folder.st_uid, entry.lstat().st_uid} <= {
        os.geteuid(),
        0,
    }


def _check_file(path: Path, facts: os.stat_result, *, is_key: bool) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise SourceDenied(f"{path} is not a regular file")
    if os.name != "posix":
        return
    if is_key and facts.st_mode & _forbidden_on_key(facts.st_gid):
        raise SourceDenied(
            f"{path} holds a private key and others than its owner may use it",
            hint=f"chmod 600 {path}",
        )
    if facts.st_mode & stat.S_IWOTH:
        raise SourceDenied(f"everybody may write to {path}", hint=f"chmod o-w {path}")


def _forbidden_on_key(group: int) -> int:
    forbidden = stat.S_IRWXG | stat.S_IRWXO
    if group in {os.getegid(), *os.getgroups()}:
        return forbidden & ~stat.S_IRGRP
    return forbidden


def _key_block(text: bytes) -> bytes:
    """The private key of a file that may hold certificates and curve parameters as well."""
    blocks = [match[0] for match in _PRIVATE_KEY.finditer(text)]
    if len(blocks) != 1:
        raise InvalidCertificate(
            f"the file holds {len(blocks) or 'no'} private keys",
            hint="expected one '-----BEGIN PRIVATE KEY-----' block",
        )
    return blocks[0] + b"\n"
