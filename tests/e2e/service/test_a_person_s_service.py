"""A service of a person's, in the hands of that person's real systemd."""

from __future__ import annotations

from tests.e2e.service.conftest import Placed
from tests.e2e.service.test_under_systemd import answer, done, free_port
from tests.machine import Machine

UNIT = "devwiz-gw-acme.service"


def test_its_whole_life(machine: Machine, person: tuple[str, int], placed: Placed) -> None:
    port = free_port()
    config = placed.put("/home/ada/gw", person, listen=f"127.0.0.1:{port}")
    installing = machine.gateway("service", "install", "--config", config, user=person)
    assert installing.returncode == 0, installing.stderr
    assert "wrote /home/ada/.config/systemd/user/devwiz-gw-acme.service" in installing.stdout
    assert "loginctl enable-linger" in installing.stderr
    done(machine, "service", "start", "--config", config, user=person)
    assert answer(machine, port, user=person) == "hello 200"
    assert "serving 1 route" in done(machine, "service", "status", "--config", config, user=person)
    pid = machine.show(UNIT, "MainPID", user=person)
    assert int(pid) > 1
    told = machine.run("cat", f"/proc/{pid}/status")
    assert "NoNewPrivs:\t1" in told
    assert "Seccomp:\t2" in told
    machine.run("systemctl", "--user", "reload", UNIT, user=person)
    assert machine.show(UNIT, "PrivateUsers", user=person) == "yes"
    # The view of the file system is the service's own.
    mounts = machine.run("cat", f"/proc/{pid}/mountinfo")
    assert any(" / / ro," in line for line in mounts.splitlines())
    done(machine, "service", "stop", "--config", config, user=person)
    assert "removed" in done(machine, "service", "remove", "--config", config, user=person)


def test_without_a_session_it_is_told_why(machine: Machine, placed: Placed) -> None:
    person = ("ada", 3002)
    config = placed.put("/home/ada/gw", person, listen="127.0.0.1:0")
    failed = machine.gateway("service", "start", "--config", config, user=person)
    assert failed.returncode == 1
    assert "loginctl enable-linger" in failed.stderr
