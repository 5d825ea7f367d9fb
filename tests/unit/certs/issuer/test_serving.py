"""Who may serve an issuer's folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from certs.issuer.serving import sole_server
from certs.issuer.store import StateUnusable

_HOLDER = """
import sys, time
from pathlib import Path
from certs.issuer.serving import sole_server
with sole_server(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_server_holds_nothing_back(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StateUnusable, match="another process serves"), sole_server(tmp_path):
            pass
        holder.kill()
    with sole_server(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="can't be opened"), sole_server(tmp_path / "none"):
        pass
