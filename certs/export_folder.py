"""An identity as files, for programs that read nothing else: a folder whose set changes at once.

The layout is that of Kubernetes' volumes. What readers open (`svid.pem`, `svid.key`, `bundle.pem`)
are links through one link, `..data`, to the folder of one generation. A new generation is written
whole into a folder of its own, then `..data` is replaced by a rename; so whoever looks finds the
old set or the new one, also after a crash or a loss of power at any step. The generation before
stays until the next one, for readers that are in it. Blocking; made for threads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from certs.errors import ExportFailed

CHAIN: Final = "svid.pem"
KEY: Final = "svid.key"
BUNDLE: Final = "bundle.pem"
#: Key and chain in one file, which can be read at one moment.
COMBINED: Final = "combined.pem"
_NAMES: Final = (CHAIN, KEY, BUNDLE, COMBINED)
_DATA: Final = "..data"
_FRESH_DATA: Final = "..data_tmp"
_GENERATION: Final = re.compile(r"\.\.\d{4}(_\d\d){5}\.\d{6}")
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK_TRIES: Final = 50
_LOCK_PAUSE_S: Final = 0.1


def files_of(
    *, key_pem: bytes, chain_pem: bytes, bundle_pem: bytes, combined: bool = False
) -> dict[str, bytes]:
    """The files of one identity by name; `combined` adds the one that holds key and chain."""
    files = {CHAIN: chain_pem, KEY: key_pem, BUNDLE: bundle_pem}
    return files | {COMBINED: key_pem + chain_pem} if combined else files


def export(
    path: Path, files: Mapping[str, bytes], *, beforehand: Callable[[], None] = lambda: None
) -> bool:
    """Make `path` hold exactly `files`; False when it did already. The folder is made with mode
    0700 where it is missing, its files have mode 0600. `beforehand` is called before a change,
    which doesn't happen when that raises.

    Raises:
        ExportFailed: the folder isn't ours alone to write to, holds something else under one of
            our names, is being written by somebody else, or the disk refused. What readers see has
            not changed.
    """
    try:
        with _opened(path) as folder, _locked(path, folder):
            _refuse_strangers(path, folder)
            current = _target(folder)
            is_new = current is None or _content(folder, current) != dict(files)
            if is_new:
                beforehand()
                _switch(folder, files)
            _tidy(folder, files, before=current if is_new else None)
            return is_new
    except OSError as error:
        raise ExportFailed(
            f"{path} can't be written: {(error.strerror or str(error)).lower()}",
            hint="is there space, and may this user write there?",
        ) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    with contextlib.suppress(FileExistsError):
        path.mkdir(_FOLDER_MODE)
    try:
        folder = os.open(path, _OPEN_FOLDER)
    except NotADirectoryError:  # a link to a folder, too
        raise ExportFailed(
            f"{path} is not a folder", hint="name a folder itself, not a link to one"
        ) from None
    try:
        _check_owner(path, os.fstat(folder))
        parent = path.parent.stat()
        if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
            raise ExportFailed(
                f"everybody may write to {path.parent}",
                hint=f"chmod o-w {path.parent}, or export to a folder elsewhere",
            )
        yield folder
    finally:
        os.close(folder)


def _check_owner(path: Path, facts: os.stat_result) -> None:
    if facts.st_uid != os.geteuid():
        raise ExportFailed(
            f"{path} belongs to user {facts.st_uid}, not to user {os.geteuid()} who exports",
            hint="name a folder that isn't there yet, or one of your own",
        )
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ExportFailed(f"others may write to {path}", hint=f"chmod 700 {path}")


@contextlib.contextmanager
def _locked(path: Path, folder: int) -> Iterator[None]:
    """One writer at a time; the lock ends with the descriptor."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
            continue
        yield
        return
    raise ExportFailed(
        f"something else keeps writing to {path}", hint="give each exporter a folder of its own"
    )


def _refuse_strangers(path: Path, folder: int) -> None:
    """What stands under our names has to be ours: nobody's file is overwritten."""
    ours = {name: f"{_DATA}/{name}" for name in _NAMES}
    for name in (*_NAMES, _DATA):
        try:
            found = os.readlink(name, dir_fd=folder)
        except FileNotFoundError:
            continue
        except OSError:
            found = ""
        if found != ours.get(name) and not (name == _DATA and _GENERATION.fullmatch(found)):
            raise ExportFailed(
                f"{path / name} was not made by an export",
                hint="move it away, or export to a folder of its own",
            )


def _target(folder: int) -> str | None:
    """The present generation's folder, if it is there."""
    try:
        name = os.readlink(_DATA, dir_fd=folder)
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return name if stat.S_ISDIR(facts.st_mode) else None
    except FileNotFoundError:
        return None


def _content(folder: int, generation: str) -> dict[str, bytes]:
    """What the generation holds; nothing where somebody spoilt it."""
    inner = os.open(generation, _OPEN_FOLDER, dir_fd=folder)
    try:
        return {name: _read(inner, name) for name in _names(inner)}
    except OSError:
        return {}
    finally:
        os.close(inner)


def _read(inner: int, name: str) -> bytes:
    with open(name, "rb", opener=lambda text, _: os.open(text, _READ, dir_fd=inner)) as file:
        return file.read()


def _switch(folder: int, files: Mapping[str, bytes]) -> None:
    generation = f"..{datetime.now(UTC):%Y_%m_%d_%H_%M_%S.%f}"
    os.mkdir(generation, _FOLDER_MODE, dir_fd=folder)
    try:
        _fill(folder, generation, files)
        # Before the switch, so that with it all names are there at once.
        for name in files:
            with contextlib.suppress(FileExistsError):
                os.symlink(f"{_DATA}/{name}", name, dir_fd=folder)
        os.fsync(folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_FRESH_DATA, dir_fd=folder)
        os.symlink(generation, _FRESH_DATA, dir_fd=folder)
        os.replace(_FRESH_DATA, _DATA, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        if _target(folder) != generation:
            _remove(folder, generation)
        raise
    os.fsync(folder)


def _fill(folder: int, generation: str, files: Mapping[str, bytes]) -> None:
    inner = os.open(generation, _OPEN_FOLDER, dir_fd=folder)
    try:
        os.fchmod(inner, _FOLDER_MODE)  # The umask may have taken bits away.
        for name, data in files.items():
            with open(
                name, "wb", opener=lambda text, _: os.open(text, _CREATE, _FILE_MODE, dir_fd=inner)
            ) as file:
                os.fchmod(file.fileno(), _FILE_MODE)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        os.fsync(inner)
    finally:
        os.close(inner)


def _tidy(folder: int, files: Mapping[str, bytes], *, before: str | None) -> None:
    """Remove names that the set no longer has, and generations, with what a crash left behind; the
    present one and the one `before` it stay. Nothing depends on it: a failure waits for next time.
    """
    with contextlib.suppress(OSError):
        for name in set(_NAMES) - set(files):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        present = _target(folder) or ""
        found = sorted(name for name in _names(folder) if _GENERATION.fullmatch(name))
        older = [name for name in found if name < present]
        kept = {present, before or (older[-1] if older else "")}
        for name in found:
            if name not in kept:
                _remove(folder, name)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _remove(folder: int, generation: str) -> None:
    """Remove one generation; only what an export puts there goes."""
    try:
        inner = os.open(generation, _OPEN_FOLDER, dir_fd=folder)
    except OSError:
        return
    try:
        for name in _NAMES:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=inner)
    finally:
        os.close(inner)
    with contextlib.suppress(OSError):
        os.rmdir(generation, dir_fd=folder)
