"""`identity.secret_stores.secret_service`, as far as it needs no keychain."""

from __future__ import annotations

import subprocess
import sys

import pytest

_AFTER = "import sys, identity.secret_stores.secret_service\nlater = sys.modules[{name!r}]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the Secret Service is Linux's")
@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("urllib.request", "import urllib.request; urllib.request.Request"),
        ("urllib.request", "from urllib import request; request.Request"),
        ("urllib.request", "from urllib.request import Request"),
        ("importlib_metadata", "import importlib_metadata; importlib_metadata.version"),
    ],
)
def test_what_is_imported_later_is_whole_when_it_is_used(name: str, use: str) -> None:
    program = f"{_AFTER.format(name=name)}{use}; assert sys.modules[{name!r}] is not later"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
