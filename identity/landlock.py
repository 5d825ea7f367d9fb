"""Landlock: a process takes file access from itself (landlock(7), Linux 5.13 and later).

What isn't named can't be opened any more, by this process and by its children, whoever it runs as.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from identity.hardening import gain_no_privileges

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_RULE_PATH_BENEATH: Final = 1

_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_BIND_TCP: Final = 1 << 0
#: Of abstract Unix sockets, and of signals, to processes outside.
_SCOPES: Final = 0b11
#: How many rights to files each ABI knows; REFER came with 2, TRUNCATE with 3, IOCTL_DEV with 5.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_FILE_RIGHTS_LATER: Final = 16


def abi() -> int:
    """The kernel's version of Landlock; 0 where it has none or it is off."""
    if sys.platform != "linux":
        return 0
    version = _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return max(version, 0)


def ruleset(version: int) -> bytes:
    """`struct landlock_ruleset_attr`: every right to files, binding of TCP ports (ABI 4), abstract
    sockets and signals (ABI 6). Connections stay as they are.
    """
    rights = (1 << _FILE_RIGHTS.get(version, _FILE_RIGHTS_LATER)) - 1
    made = struct.pack("=Q", rights)
    if version >= 4:
        made += struct.pack("=Q", _BIND_TCP)
    if version >= 6:
        made += struct.pack("=Q", _SCOPES)
    return made


def read_only(paths: Iterable[Path]) -> int:
    """Leave this process reading of what is in `paths`, and nothing else of the file system, no
    listening on TCP ports, and no signals to others. It can't be undone. Returns the ABI, 0 where
    the kernel has none.

    Raises:
        OSError: the kernel has it and refuses; nothing changed.
    """
    version = abi()
    if not version:
        return 0
    attributes = ruleset(version)
    rules = _checked(_syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for path in paths:
            _allow_reading(rules, path)
        gain_no_privileges()
        _checked(_syscall(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)
    return version


def _allow_reading(rules: int, path: Path) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what isn't there need not be read
    try:
        is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        rights = _READ_FILE | _READ_DIR if is_folder else _READ_FILE
        rule = struct.pack("=Qi", rights, opened)
        _checked(_syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0))
    finally:
        os.close(opened)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *wide)
    return result


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno() or errno.EPERM
        raise OSError(number, os.strerror(number))
    return result
