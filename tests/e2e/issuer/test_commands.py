"""`issuer init`, `serve` and `token` as processes: a token made while the issuer runs is good at
once, and SIGTERM ends the issuer with nothing left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from certs.sources.issuer import IssuerSource
from identity.secret_stores.base import Secret
from tests.fakes.issuer import PROJECT
from tests.fakes.issuer_process import IssuerProcess


async def run(*arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "issuer", *arguments, "--json"),
        cwd=PROJECT,
        env={"PATH": os.environ.get("PATH", "")},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    document: dict[str, Any] = json.loads(printed)
    return document


async def test_a_workload_joins_by_what_the_commands_print(tmp_path: Path) -> None:
    folder, token_file = str(tmp_path / "issuer"), tmp_path / "join-token"
    await run("init", "--dir", folder, "--trust-domain", "acme.example")
    issuer = IssuerProcess(Path(folder), ttl="20s")
    await issuer.start()
    made = await run("token", "--dir", folder, "--name", "planner", "--out", str(token_file))

    async def read_token() -> Secret:
        return Secret(token_file.read_text())

    source = IssuerSource(url=issuer.url, ca_pin=made["ca_pin"], read_token=read_token)
    identity = await source.obtain(None)
    assert identity.spiffe_id == made["spiffe_id"] == "spiffe://acme.example/agent/planner"
    assert (identity.not_after - identity.not_before).total_seconds() == 80
    assert await issuer.stop() == 0
    assert "issuer stopped" in issuer.said
    assert not list((tmp_path / "issuer").glob("*-wal"))
