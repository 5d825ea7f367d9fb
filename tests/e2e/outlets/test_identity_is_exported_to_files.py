"""Programs that need files: the gateway writes them itself, or a command does, through renewals."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.fakes.authority import Authority
from tests.fakes.gateway_process import COMMAND, DEADLINE_S, SPIFFE_ID, GatewayProcess
from tests.fakes.scripted_upstream import wait_until

pytestmark = pytest.mark.timeout(60)


def serial(folder: Path) -> int:
    """Of the pair that is in the folder now."""
    inside = folder / (folder / "..data").readlink()
    leaf = x509.load_pem_x509_certificate((inside / "svid.pem").read_bytes())
    key = load_pem_private_key((inside / "svid.key").read_bytes(), None)
    assert key.public_key() == leaf.public_key()
    return leaf.serial_number


def test_serve_keeps_a_folder(tmp_path: Path) -> None:
    folder, said = tmp_path / "tls", tmp_path / "said"
    script = tmp_path / "hook"
    script.write_text(f'#!/bin/sh\necho "$1 $DEVWIZ_GW_SERIAL $DEVWIZ_GW_EXPORT_DIR" >> {said}\n')
    script.chmod(0o700)
    with (
        subprocess.Popen(
            ["sh", "-c", "trap 'echo told' HUP; echo up; while :; do sleep 0.1; done"],
            stdout=subprocess.PIPE,
            text=True,
        ) as daemon,
        GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway,
    ):
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "up\n"
        (tmp_path / "daemon.pid").write_text(f"{daemon.pid}\n")
        gateway.configure(
            more=f"""
[[identity.export]]
dir = "tls"
combined = true
exec = ["{script}", "reload"]
signal = "HUP"
pid_file = "daemon.pid"
"""
        )
        gateway.start()
        gateway.until(lambda body: bool(body["exports"][0]["serial"]))
        first = serial(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "svid.key").stat().st_mode) == 0o600
        assert (folder / "combined.pem").read_text() == (folder / "svid.key").read_text() + (
            folder / "svid.pem"
        ).read_text()
        assert daemon.stdout.readline() == "told\n"
        assert said.read_text() == f"reload {first:x} {folder}\n"

        gateway.renew_identity()
        wait_until(lambda: serial(folder) != first)
        assert daemon.stdout.readline() == "told\n"
        written = [line for line in gateway.audit() if line["action"] == "identity.exported"]
        assert [line["name"] for line in written] == [str(folder)] * 2
        assert written[0]["reason"] == f"{SPIFFE_ID} serial {first:x}"
        assert gateway.status()["state"] == "ready"
        daemon.kill()


def test_a_folder_that_cant_be_written_is_told_and_mended(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir(mode=0o700)
    (folder / "svid.key").write_text("somebody's")
    with GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway:
        gateway.configure(more='[[identity.export]]\ndir = "tls"\n')
        gateway.start()
        body = gateway.until(lambda body: bool(body["exports"][0]["error"]))
        assert "svid.key was not made by an export" in body["exports"][0]["error"]
        gateway.until(lambda body: any("export to" in reason for reason in body["reasons"]))
        assert (folder / "svid.key").read_text() == "somebody's"
        (folder / "svid.key").unlink()
        gateway.until_ready()
        serial(folder)


def test_the_command_needs_leave_and_then_follows(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    with GatewayProcess(tmp_path, Authority(), upstream_port=1) as gateway:
        gateway.start()
        gateway.until_ready()
        refused = gateway.command("identity", "export", "--dir", str(folder))
        assert refused.returncode == 1
        assert "allow_export = true" in refused.stderr
        assert not folder.exists()

        text = gateway.config.read_text()
        gateway.write_config(text.replace("[identity]\n", "[identity]\nallow_export = true\n"))
        assert gateway.command("reload").returncode == 0
        done = gateway.command("identity", "export", "--dir", str(folder))
        assert done.returncode == 0, done.stderr
        assert f"exported {SPIFFE_ID} serial " in done.stdout
        again = gateway.command("identity", "export", "--dir", str(folder))
        assert "already" in again.stdout
        unknown = gateway.command("identity", "export", "x", "--dir", str(folder))
        assert "there is no identity 'x'" in unknown.stderr
        first = serial(folder)
        command = ("identity", "export", "--dir", str(folder), "--watch", "--exec", "touch told")
        with subprocess.Popen(
            [*COMMAND, *command, "--config", str(gateway.config)],
            cwd=tmp_path,
            env=os.environ | gateway.env | {"PYTHONPATH": str(Path(__file__).parents[3])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as watching:
            assert watching.stdout is not None
            assert "already" in watching.stdout.readline()
            gateway.renew_identity()
            assert watching.stdout.readline().startswith("exported")
            assert serial(folder) != first
            wait_until((tmp_path / "told").exists)

            # The gateway may go and come back.
            gateway.signal(signal.SIGTERM)
            gateway.wait()
            gateway.renew_identity()
            gateway.start()
            second = serial(folder)
            gateway.until_ready()
            wait_until(lambda: serial(folder) != second)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(DEADLINE_S) == 130
        lines = [line for line in gateway.audit() if line["action"] == "identity.handed_out"]
        assert [line["outcome"] for line in lines[:2]] == ["denied", "ok"]
        assert lines[1]["reason"] == f"serial {first:x} to uid:{os.getuid()} for {folder}"
