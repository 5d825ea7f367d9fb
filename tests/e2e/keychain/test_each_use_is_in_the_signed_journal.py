"""What `secret` commands and a gateway do is in the journal, and the gateway signs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.e2e.keychain.conftest import COMMAND, Desktop


def audit(desktop: Desktop, *arguments: str) -> tuple[int, str]:
    ended = subprocess.run(
        [*COMMAND, "audit", *arguments],
        cwd=desktop.folder,
        env=desktop.env,
        capture_output=True,
        timeout=30,
        check=False,
    )
    return ended.returncode, ended.stdout.decode()


def test_each_use_is_in_the_journal(desktop: Desktop) -> None:
    assert desktop.secret("set", "planner-token", value=b"canary-value").returncode == 0
    assert desktop.secret("get", "planner-token").stdout == b"canary-value"
    assert desktop.secret("get", "missing").returncode == 1
    assert desktop.secret("rm", "planner-token").returncode == 0
    code, out = audit(desktop, "query", "--json")
    assert code == 0
    assert [(event["action"], event["name"], event["outcome"]) for event in json.loads(out)] == [
        ("secret.write", "planner-token", "begun"),
        ("secret.bind", str(desktop.folder / "devwiz-gw.toml"), "ok"),
        ("secret.write", "planner-token", "ok"),
        ("secret.read", "planner-token", "begun"),
        ("secret.read", "planner-token", "ok"),
        ("secret.read", "missing", "begun"),
        ("secret.read", "missing", "failed"),
        ("secret.delete", "planner-token", "begun"),
        ("secret.delete", "planner-token", "ok"),
    ]
    assert "canary-value" not in out
    assert audit(desktop, "verify")[0] == 0


def test_a_value_is_not_released_where_that_can_not_be_written(desktop: Desktop) -> None:
    assert desktop.secret("set", "planner-token", value=b"canary-value").returncode == 0
    (journal,) = Path(desktop.env["HOME"]).rglob("audit.jsonl")
    journal.unlink()
    journal.mkdir()
    refused = desktop.secret("get", "planner-token")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"can't write the audit journal" in refused.stderr
