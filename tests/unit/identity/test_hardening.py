"""`identity.hardening`."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import ctypes, os, resource
from identity.hardening import harden_process
harden_process()
mask = os.umask(0)
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(oct(mask), dumpable, resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is Linux's")
def test_a_hardened_process_is_private() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["0o77", "0", "0"]


@pytest.mark.skipif(sys.platform != "linux", reason="no_new_privs is Linux's")
def test_a_process_that_gains_no_privileges_says_so() -> None:
    code = (
        "from identity.hardening import gain_no_privileges\n"
        "gain_no_privileges()\n"
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "NoNewPrivs:\t1" in done.stdout
