"""Which process has a port, so far as Linux tells this user."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"


def holder(host: str, port: int, *, proc: Path = Path("/proc")) -> str:
    """ "PROGRAM (pid N)" of who listens there; "" where that can't be known."""
    inodes = set(_inodes(ip_address(host), port, proc))
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in _processes(proc):
        if any(target in wanted for target in _descriptors(process)):
            return f"{_program(process)} (pid {process.name})"
    return "a process of another user"


def _inodes(wanted: IPv4Address | IPv6Address, port: int, proc: Path) -> Iterator[str]:
    """Of listening sockets at the address, or at all addresses (proc(5), /proc/net/tcp)."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] != _LISTEN or int(number, 16) != port:
                continue
            found = _address(address)
            if found == wanted or found.is_unspecified:
                yield fields[9]


def _address(text: str) -> IPv4Address | IPv6Address:
    """Words of four bytes, each in the machine's order, which nearly everywhere is backwards."""
    data = bytes.fromhex(text)
    swapped = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    return IPv4Address(swapped) if len(swapped) == 4 else IPv6Address(swapped)


def _processes(proc: Path) -> Iterator[Path]:
    try:
        yield from (item for item in proc.iterdir() if item.name.isdigit())
    except OSError:
        return


def _descriptors(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            yield str(link.readlink())
    except OSError:
        return  # another user's, or gone


def _program(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
