"""`gateway.descriptor_limit`."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import resource
from gateway.descriptor_limit import raise_descriptor_limit
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
print(raise_descriptor_limit(128))
"""


def test_the_descriptor_limit_is_raised_as_far_as_wanted() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["128"]
