"""Programs are run and daemons told, and what goes wrong is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.control_plane.export_hook import (
    HookFailed,
    hook_environment,
    run_command,
    send_signal,
)
from tests.fakes.scripted_upstream import wait_until


def program(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


async def test_a_program_gets_its_arguments_and_is_told_what_changed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    more = hook_environment(Path("/srv/tls"), "spiffe://acme.example/a", "0a", "default")
    command = program(tmp_path, f'echo "$1 $2 $DEVWIZ_GW_SERIAL $DEVWIZ_GW_EXPORT_DIR" > {told}')
    await run_command([command, "a b", "$HOME"], more)
    assert told.read_text() == "a b $HOME 0a /srv/tls\n"


async def test_a_program_that_fails(tmp_path: Path) -> None:
    with pytest.raises(HookFailed, match="failed with exit code 3"):
        await run_command([program(tmp_path, "exit 3")], {})
    with pytest.raises(HookFailed, match="can't be run: no such file"):
        await run_command([str(tmp_path / "missing")], {})


async def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = program(tmp_path, f"sleep 1000 & echo $! > {pids}.new; mv {pids}.new {pids}; wait")
    with pytest.raises(HookFailed, match=r"took over 1 s and was killed"):
        await run_command([command], {}, deadline_s=1)
    child = int(pids.read_text())
    wait_until(lambda: not Path(f"/proc/{child}").exists() or _is_dead(child))


def _is_dead(pid: int) -> bool:
    """Whether it has ended, and only nobody has asked for its end yet."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_daemon_is_told(tmp_path: Path) -> None:
    code = "import signal; print(flush=True); print(signal.sigwait([signal.SIGUSR1]).name)"
    code = "import signal; signal.pthread_sigmask(0, [signal.SIGUSR1]); " + code
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        (tmp_path / "pid").write_text(f"{daemon.pid}\nmore\n")
        send_signal("USR1", tmp_path / "pid")
        assert daemon.stdout.read() == b"SIGUSR1\n"
    with pytest.raises(HookFailed, match="names no process that runs"):
        send_signal("USR1", tmp_path / "pid")


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1", "-5\n", "1.5"])
def test_numbers_that_would_hit_others(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    with pytest.raises(HookFailed, match="holds no process number"):
        send_signal("TERM", tmp_path / "pid")


def test_a_file_that_isnt_the_daemons(tmp_path: Path) -> None:
    with pytest.raises(HookFailed, match="names no process"):
        send_signal("HUP", tmp_path / "missing")
    path = tmp_path / "pid"
    path.write_text(str(os.getpid()))
    path.chmod(0o666)
    with pytest.raises(HookFailed, match="everybody may write"):
        send_signal("HUP", path)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(HookFailed, match="can't be sent"):
        send_signal("HUP", tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HookFailed, match="holds no process number"):
        send_signal("HUP", tmp_path / "pipe")
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
