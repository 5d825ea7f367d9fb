"""A process that gave up system calls, tried in a process of its own, and the filter by itself."""

from __future__ import annotations

import struct
import subprocess
import sys
import textwrap

import pytest

from identity import seccomp
from identity.seccomp import MACHINES, Machine, program

ALLOWED, REFUSED = 0x7FFF0000, 0x00050001
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")


def verdict(code: bytes, machine: Machine, call: int, argument: int = 0, audit: int = 0) -> int:
    """What the kernel's interpreter makes of a call (Documentation/networking/filter.rst)."""
    lines = list(struct.iter_unpack("=HBBI", code))
    data = {0: call, 4: audit or machine.audit, 16: argument}
    at = value = 0
    while True:
        operation, if_true, if_false, operand = lines[at]
        match operation:
            case 0x20:
                value = data[operand]
            case 0x15:
                at += if_true if value == operand else if_false
            case 0x35:
                at += if_true if value >= operand else if_false
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(operation)
        at += 1


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("unix_sockets", [False, True])
def test_every_call_of_the_list_and_no_other(machine: Machine, unix_sockets: bool) -> None:
    code = program(machine, unix_sockets=unix_sockets)
    listed = {numbers[machine.column] for numbers in seccomp._REFUSED.values()}
    for call in range(500):
        refused = verdict(code, machine, call, AF_INET) == REFUSED
        assert refused == (call in listed), call
    families = {AF_INET, AF_INET6, AF_NETLINK} | ({AF_UNIX} if unix_sockets else set())
    for family in range(64):
        refused = verdict(code, machine, machine.socket, family) == REFUSED
        assert refused == (family not in families), family


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_another_architecture_and_the_other_abi_have_no_calls(machine: Machine) -> None:
    code = program(machine, unix_sockets=True)
    assert verdict(code, machine, 100, audit=0x40000003) == REFUSED
    assert verdict(code, machine, 0x40000000 | 100) == REFUSED
    assert verdict(code, machine, 100) == ALLOWED


@on_linux
def test_a_process_can_start_nothing_and_reach_no_bus() -> None:
    script = """
        import os, socket
        from identity import seccomp

        def fails(attempt, *arguments):
            try:
                attempt(*arguments)
            except OSError as error:
                return type(error).__name__
            return "done"

        assert seccomp.refuse_calls(unix_sockets=False)
        print(fails(os.execv, "/bin/true", ["true"]), fails(socket.socket, socket.AF_UNIX))
        print(fails(os.unshare, 0) if hasattr(os, "unshare") else "PermissionError")
        print(fails(os.chmod, __file__, 0o600), fails(os.chown, __file__, -1, -1))
        print(fails(os.setxattr, __file__, "user.x", b""), fails(socket.socket, socket.AF_PACKET))
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
            socket.socket(family, socket.SOCK_DGRAM).close()
        print(len(os.urandom(4)))
    """
    done = subprocess.run(
        [sys.executable, "-c", f"__file__ = {__file__!r}\n{textwrap.dedent(script)}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == [*["PermissionError"] * 7, "4"]


def test_another_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not seccomp.refuse_calls(unix_sockets=False)
