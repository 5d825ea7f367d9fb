"""Without a file there is still a report, also for programs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.fakes.gateway_process import COMMAND


def test_it_says_where_one_was_looked_for(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [*COMMAND, "doctor", "--json"],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "PYTHONPATH": root},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    report = json.loads(done.stdout)
    found = next(item for item in report["findings"] if item["rung"] == "configuration")
    assert found["result"] == "fail"
    assert "there is no configuration: no devwiz-gw.toml in " in found["detail"]
