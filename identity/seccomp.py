"""seccomp: a process takes system calls from itself (seccomp(2)).

The filter names what a program that only moves bytes between sockets never needs and whoever takes
it over would: starting programs, looking into others, mounts, keyrings, io_uring (which would go
around the filter), another owner or mode for files. Such a call fails with EPERM.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from identity.hardening import gain_no_privileges

_SET_MODE_FILTER: Final = 1
#: Without it older kernels turn a costly protection on for the whole process.
_FLAG_SPEC_ALLOW: Final = 1 << 2

# Classic BPF, and offsets in `struct seccomp_data`.
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_LEAST: Final = 0x35
_RETURN: Final = 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # EPERM
_AF_UNIX: Final = 1
#: IPv4, IPv6, and netlink, which tells whose a caller's socket is. Others lead to the wire, to the
#: host of a virtual machine, or to parts of the kernel that few have looked at.
_FAMILIES: Final = (2, 10, 16)
#: The x32 ABI of x86-64 has the same calls under other numbers.
_X32: Final = 0x40000000

#: By name: x86-64 (arch/x86/entry/syscalls/syscall_64.tbl), arm64 (asm-generic/unistd.h).
_REFUSED: Final = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "personality": (135, 92),
    # Landlock leaves these to whoever owns the file; arm64 has the *at calls only.
    "chmod": (90, 53),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, 54),
    "lchown": (94, 54),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """How the kernel names an architecture, which column of the table is its, its `socket`."""

    audit: int
    column: int
    socket: int


MACHINES: Final = {
    "x86_64": Machine(0xC000003E, 0, 41),
    "aarch64": Machine(0xC00000B7, 1, 198),
}


def program(machine: Machine, *, unix_sockets: bool) -> bytes:
    """The filter, as `struct sock_filter` after each other.

    Calls of another architecture are refused, since their numbers mean something else. Sockets are
    of the families that are named only: without `unix_sockets` the session bus, and with it the
    keychain, is out of reach.
    """
    refused = sorted({numbers[machine.column] for numbers in _REFUSED.values()})
    checks: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
    ]
    families = (*_FAMILIES, _AF_UNIX) if unix_sockets else _FAMILIES
    known = len(families)
    # The end: whatever is allowed jumps to the last instruction, what is refused to that before.
    tail: list[tuple[int, int, int, int]] = [
        (_JUMP_IF_EQUAL, 0, known + 2, machine.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *((_JUMP_IF_EQUAL, known - index, 0, family) for index, family in enumerate(families)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    size = 1 + len(refused) + len(tail)
    numbers = [(_JUMP_IF_LEAST, size - 3, 0, _X32)]
    numbers += [
        (_JUMP_IF_EQUAL, size - 4 - index, 0, number) for index, number in enumerate(refused)
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in (*checks, *numbers, *tail))


def refuse_calls(*, unix_sockets: bool) -> bool:
    """Put the filter on this process, for good. False where the machine or kernel has none.

    Raises:
        OSError: the kernel refuses; nothing changed.
    """
    machine = MACHINES.get(os.uname().machine) if sys.platform == "linux" else None
    # A 32-bit program on such a machine has the other table.
    if machine is None or sys.maxsize < 2**32:
        return False
    return _install(program(machine, unix_sockets=unix_sockets))


def _install(code: bytes) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
    gain_no_privileges()
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a length in instructions, and where they are.
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    arguments: Sequence[int] = (_SET_MODE_FILTER, _FLAG_SPEC_ALLOW)
    wide = [ctypes.c_long(item) for item in arguments]
    if libc.syscall(ctypes.c_long(number), *wide, head) == 0:
        return True
    failure = ctypes.get_errno()
    if failure in (38, 22):  # ENOSYS, EINVAL: built without
        return False
    raise OSError(failure, os.strerror(failure))
