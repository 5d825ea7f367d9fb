"""A step of the authority's rotation that is killed before any of its writes leaves the state
before it or the one after it, key files that agree with it, and can be taken again.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import init, open_issuer
from tests.fakes.issuer import PROJECT, TRUST_DOMAIN
from tests.fakes.killed_step import NOW, RETIRE

FORWARD = (Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY)


def prepare(folder: Path, phases: tuple[Phase, ...]) -> None:
    init(folder, trust_domain=TRUST_DOMAIN, now=NOW)
    opened = open_issuer(folder)
    for phase in phases:
        opened.rotation.enter(phase, NOW)
    opened.service.close()


@pytest.mark.parametrize(
    ("phases", "step", "least"),
    [
        # A new authority is four files, each written, synced and renamed.
        (FORWARD[:0], "init", 20),
        (FORWARD[:1], "update_clients", 8),
        (FORWARD[:2], "update_servers", 6),
        (FORWARD[:3], "standby", 8),
        (FORWARD[:3], "rollback", 8),
        (FORWARD, RETIRE, 12),
    ],
    ids=["init", "clients", "servers", "standby", "rollback", "retire"],
)
async def test_killed_before_any_write(
    tmp_path: Path, phases: tuple[Phase, ...], step: str, least: int
) -> None:
    folder = tmp_path / "issuer"
    await asyncio.to_thread(prepare, folder, phases)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.killed_step", str(folder), step),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    assert int(said) >= least
