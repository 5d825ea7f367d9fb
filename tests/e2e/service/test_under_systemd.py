"""A service of the machine, in the hands of a real systemd."""

from __future__ import annotations

import json
import socket

from tests.e2e.service.conftest import Placed
from tests.machine import SERVICE_USER, Machine

UNIT = "devwiz-gw-acme.service"
#: systemd's own measure; without any settings it is 9.6 of 10.
MOST_EXPOSED = "20"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def answer(machine: Machine, port: int, *, user: tuple[str, int] = SERVICE_USER) -> str:
    """What a local caller gets."""
    return machine.run(
        *("curl", "--silent", "--max-time", "20", "--data", "hello"),
        *("--write-out", " %{http_code}", f"http://127.0.0.1:{port}/"),
        user=user,
    )


def done(machine: Machine, *arguments: str, user: tuple[str, int] | None = None) -> str:
    found = machine.gateway(*arguments, user=user)
    assert found.returncode == 0, f"{found.stdout}{found.stderr}{machine.log()}"
    return found.stdout


def test_its_whole_life(machine: Machine, placed: Placed) -> None:
    port = free_port()
    config = placed.put("/etc/devwiz gw 100%", SERVICE_USER, listen=f"127.0.0.1:{port}")
    options = ("--system", "--config", config)
    assert "+ExecStart=" in done(machine, "service", "install", *options, "--dry-run")
    assert f"wrote /etc/systemd/system/{UNIT}" in done(machine, "service", "install", *options)
    assert "installed already" in done(machine, "service", "install", *options)
    verified = machine.ask("systemd-analyze", "verify", UNIT)
    assert (verified.returncode, verified.stderr) == (0, "")
    machine.run("systemd-analyze", "security", f"--threshold={MOST_EXPOSED}", "--no-pager", UNIT)
    done(machine, "service", "start", *options)
    facts = json.loads(done(machine, "service", "status", "--json", *options))
    assert (facts["state"], facts["says"]) == ("active", "serving 1 route")
    assert answer(machine, port) == "hello 200"
    group = f"/sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs"
    pids = machine.run("cat", group).split()
    assert len(pids) >= 2
    for pid in pids:
        assert pid
        core = machine.run("grep", "Max core file size", f"/proc/{pid}/limits").split()
        assert core[4:6] == ["0", "0"]
        told = machine.run("cat", f"/proc/{pid}/status")
        assert "NoNewPrivs:\t1" in told
        assert "CapBnd:\t0000000000000000" in told
    machine.run("systemctl", "reload", UNIT)
    machine.write(config, "project = 1", owner=SERVICE_USER)
    assert machine.ask("systemctl", "reload", UNIT).returncode != 0
    assert answer(machine, port) == "hello 200"
    assert done(machine, "service", "stop", "--system", "--name", "devwiz-gw-acme")
    assert machine.show(UNIT, "Result") == "success"
    stopped = machine.gateway("service", "status", "--system", "--name", "devwiz-gw-acme")
    assert stopped.returncode == 2
    removing = ("service", "remove", "--system", "--name", "devwiz-gw-acme")
    assert f"removed /etc/systemd/system/{UNIT}" in done(machine, *removing)
    assert machine.show(UNIT, "LoadState") == "not-found"
    assert "there is no service" in done(machine, *removing)


def test_one_that_hangs_is_started_again(machine: Machine, placed: Placed) -> None:
    port = free_port()
    config = placed.put("/etc/devwiz-gw", SERVICE_USER, listen=f"127.0.0.1:{port}")
    done(machine, "service", "install", "--system", "--config", config)
    machine.write(
        f"/etc/systemd/system/{UNIT}.d/quick.conf", "[Service]\nWatchdogSec=2\nRestartSec=0\n"
    )
    machine.run("systemctl", "daemon-reload")
    done(machine, "service", "start", "--system", "--config", config)
    pid = int(machine.show(UNIT, "MainPID"))
    assert pid > 1
    machine.run("kill", "-STOP", str(pid))
    machine.until(UNIT, "NRestarts", "1")
    machine.until(UNIT, "ActiveState", "active")
    assert int(machine.show(UNIT, "MainPID")) not in (0, pid)
    assert answer(machine, port) == "hello 200"


def test_systemd_listens_for_it(machine: Machine, placed: Placed) -> None:
    port = free_port()
    config = placed.put("/etc/devwiz-gw", SERVICE_USER, listen=f"127.0.0.1:{port}")
    options = ("--system", "--config", config)
    written = done(machine, "service", "install", "--socket-activation", *options)
    assert "devwiz-gw-acme.socket" in written
    machine.run("systemctl", "start", "devwiz-gw-acme.socket")
    assert machine.show(UNIT, "ActiveState") == "inactive"
    assert answer(machine, port) == "hello 200"
    assert machine.show(UNIT, "ActiveState") == "active"
    machine.run("systemctl", "restart", UNIT)
    assert answer(machine, port) == "hello 200"
    # Without activation its socket unit goes.
    done(machine, "service", "stop", *options)
    assert "removed" in done(machine, "service", "install", *options)
    assert machine.show("devwiz-gw-acme.socket", "LoadState") == "not-found"


def test_what_the_service_could_not_use_is_told_before(machine: Machine, placed: Placed) -> None:
    config = placed.put("/etc/devwiz-gw", ("root", 0), listen="127.0.0.1:0")
    unreadable = machine.gateway("service", "install", "--system", "--config", config)
    assert unreadable.returncode == 1
    assert f"the user devwiz-gw can't read {config}" in unreadable.stderr
    nobody = machine.gateway(
        "service", "install", "--system", "--run-as", "ghost", "--config", config
    )
    assert "useradd --system" in nobody.stderr
    config = placed.put("/etc/devwiz-gw", SERVICE_USER, listen="127.0.0.1:0")
    taken = machine.gateway(
        "service", "install", "--system", "--socket-activation", "--config", config
    )
    assert "any free port" in taken.stderr
    machine.write(f"/etc/systemd/system/{UNIT}", "[Service]\nExecStart=/bin/true\n")
    foreign = machine.gateway("service", "install", "--system", "--config", config)
    assert "wasn't written by this command" in foreign.stderr
    assert "--force" in foreign.stderr
    assert done(machine, "service", "install", "--system", "--force", "--config", config)
    keychain = placed.put("/etc/devwiz-gw", SERVICE_USER, listen="127.0.0.1:0", more="")
    refused = machine.gateway("service", "install", "--system", "--config", keychain)
    assert "has no keychain" in refused.stderr
