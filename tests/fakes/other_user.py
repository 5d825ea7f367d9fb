"""Requests by another user of the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

AS_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can call as somebody else"
)
STRANGER = 12345
_ASK = """
import encodings.idna, os, socket, sys  # that user may not read the interpreter's folder
os.setuid(int(sys.argv[1]))
if sys.argv[2].startswith("/"):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(sys.argv[2])
else:
    peer = socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=10)
head = "GET / HTTP/1.1\\r\\nHost: localhost:%s\\r\\nConnection: close\\r\\n\\r\\n"
peer.sendall((head % (sys.argv[2] if sys.argv[2].isdecimal() else 80)).encode())
print(peer.makefile("rb").read().decode())
"""


def ask_as(uid: int, place: int | str) -> str:
    """The answer to a GET on a port or a Unix socket, with "\\n" for line ends."""
    command = [sys.executable, "-I", "-c", _ASK, str(uid), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout
