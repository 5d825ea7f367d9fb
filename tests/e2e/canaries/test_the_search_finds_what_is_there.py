"""The other tests here could not fail if the search found nothing."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote

from tests.e2e.canaries.conftest import PASSWORD
from tests.fakes.leaks import Needles


def test_in_files_and_processes(tmp_path: Path) -> None:
    needles = Needles({"password": PASSWORD})
    raw = PASSWORD.encode()
    hidden = [raw, raw.hex().encode(), quote(PASSWORD, safe="").encode(), repr(PASSWORD).encode()]
    hidden += [b64encode(b"abcde"[:n] + raw + b"end") for n in range(5)]
    hidden += [urlsafe_b64encode(b"abcde"[:n] + raw) for n in range(5)]
    for number, data in enumerate(hidden):
        path = tmp_path / f"{number}.sqlite-wal"
        path.write_bytes(b"before\0" + data + b"\xffafter")
        assert needles.in_files(tmp_path), number
        assert needles.in_files(tmp_path, but={path}) == []
        path.unlink()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], env={"X": PASSWORD}, stdin=subprocess.PIPE
    ) as process:
        assert needles.in_processes() != []
        assert needles.in_processes(but={process.pid}) == []
        process.communicate(b"\n")
