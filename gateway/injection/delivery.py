"""How values get to a program: in its environment, or where a variable points.

Everybody with the same user's rights can read a process's environment, and whatever the program
starts inherits it. A descriptor is read by who holds it; a FIFO or file by who opens it.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gateway.errors import GatewayError

Delivery = Literal["env", "fd", "fifo", "file"]
DELIVERIES: Final[tuple[Delivery, ...]] = ("env", "fd", "fifo", "file")
#: What follows a variable's name where the value isn't in it but in the file that is named there.
SUFFIX: Final = "_FILE"
#: What a pipe holds at least without a reader (pipe(7)).
_PIPE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the program's environment gets, and descriptors that it inherits."""

    env: Mapping[str, str]
    fds: tuple[int, ...] = ()


def in_environment(values: Mapping[str, str]) -> Delivered:
    """Each value in its variable."""
    return Delivered(dict(values))


def by_descriptor(values: Mapping[str, str]) -> Delivered:
    """Each value behind a descriptor, as `/dev/fd/N` in NAME_FILE."""
    fds = {name: _descriptor(name, value.encode()) for name, value in values.items()}
    return Delivered(
        {name + SUFFIX: f"/dev/fd/{fd}" for name, fd in fds.items()}, tuple(fds.values())
    )


def by_file(values: Mapping[str, str], folder: Path) -> Delivered:
    """Each value in a file of mode 0600 in `folder`, whose path is in NAME_FILE."""
    for name, value in values.items():
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(value.encode())
    return Delivered({name + SUFFIX: str(folder / name) for name in values})


def rewrite(values: Mapping[str, str], folder: Path) -> None:
    """Put other values into the files of `by_file`; a reader finds one or the other, whole."""
    for name, value in values.items():
        fresh = folder / f"{name}.next"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(value.encode())
        fresh.replace(folder / name)


def by_fifo(values: Mapping[str, str], folder: Path) -> Delivered:
    """Each value behind a FIFO in `folder`, its path in NAME_FILE; `serve_fifos` fills them."""
    for name in values:
        os.mkfifo(folder / name, 0o600)
    return Delivered({name + SUFFIX: str(folder / name) for name in values})


def serve_fifos(values: Mapping[str, str], folder: Path) -> None:
    """Give the value to each who opens a FIFO, until the folder is gone. Returns at once."""
    for name, value in values.items():
        args = (folder / name, value.encode())
        threading.Thread(target=_serve_fifo, args=args, name=f"fifo {name}", daemon=True).start()


def _serve_fifo(path: Path, value: bytes) -> None:
    fresh = path.with_name(path.name + ".next")
    with suppress(FileNotFoundError):
        while True:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # waits for a reader
            # The next reader has to find another FIFO, or it would share this one's bytes.
            os.mkfifo(fresh, 0o600)
            fresh.replace(path)
            with suppress(BrokenPipeError), os.fdopen(fd, "wb", buffering=0) as pipe:
                pipe.write(value)


def _descriptor(name: str, value: bytes) -> int:
    if sys.platform == "linux":
        fd = os.memfd_create(name, os.MFD_ALLOW_SEALING)
        view = memoryview(value)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _ALL_SEALS)
        os.set_inheritable(fd, True)
        return fd
    if len(value) > _PIPE_BYTES:
        raise GatewayError(
            f"the value of {name} is too long for a pipe", hint="pass it by --deliver file"
        )
    reading, writing = os.pipe()
    os.write(writing, value)
    os.close(writing)
    os.set_inheritable(reading, True)
    return reading


#: F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE (fcntl(2)).
_ALL_SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8
