"""`identity export`: what a program is told of the files that were written."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.exit_codes import ExitCode
from gateway.cli.main import main
from tests.fakes.authority import Authority
from tests.unit.gateway.cli.conftest import StartAdmin

ID = "spiffe://acme.example/agent/planner"
AUTHORITY = Authority()


def test_a_program_is_told_what_was_written(workdir: Path, start_admin: StartAdmin) -> None:
    leaf = AUTHORITY.issue(ID)
    answer = {
        "identity": "planner",
        "spiffe_id": ID,
        "serial": "2a",
        "not_after": "2026-03-01T12:00:00Z",
        "digest": "d",
        "chain": leaf.chain_pem,
        "key": leaf.key_pem,
        "bundle": AUTHORITY.pem,
    }
    folder = workdir / "tls"
    start_admin({f"POST /identity/export?identity=planner&dir={_quoted(folder)}": (200, answer)})
    program = workdir / "told.sh"
    program.write_text('#!/bin/sh\nenv | grep ^DEVWIZ_GW_ | sort > "$1"\n')
    program.chmod(0o700)
    told = workdir / "told"
    export = ["identity", "export", "planner", "--dir", "tls", "--exec", f"{program} {told}"]
    assert main(export) == ExitCode.OK
    assert told.read_text().splitlines() == [
        f"DEVWIZ_GW_EXPORT_DIR={folder}",
        "DEVWIZ_GW_IDENTITY=planner",
        "DEVWIZ_GW_SERIAL=2a",
        f"DEVWIZ_GW_SPIFFE_ID={ID}",
    ]
    assert (folder / "svid.pem").read_text() == leaf.chain_pem


def _quoted(folder: Path) -> str:
    return str(folder).replace("/", "%2F")
