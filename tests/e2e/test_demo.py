"""`devwiz-gw demo`, as `make demo` runs it, with fewer and shorter lives.

A life can't be much shorter: a stream of the demonstration takes 5 s, and it may begin just before
a renewal, on the connection of a certificate that then has 40 % of its life left.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.fakes.gateway_process import COMMAND


def test_it_works_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--renewals", "1", "--certificate-life", "14"],
        env=os.environ | {"TMPDIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("it works\n")
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:2] == "  "]
    told = {row[0]: row[1] for row in rows if len(row) == 2}
    assert (told["tools"], told["failures"]) == ("add, count", "0")
    assert int(told["calls"]) > 50
    assert int(told["renewals"]) >= 1
    assert "a direct call without a certificate is refused" in done.stdout
    assert "certificate renewed: generation 2" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["state"], "nothing but the journal"
