"""Without --json there is a line for each finding, and one for all of them."""

from __future__ import annotations

from tests.fakes.gateway_process import GatewayProcess


def test_a_line_each(gateway: GatewayProcess) -> None:
    done = gateway.command("doctor", "planner")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass  tls            planner  TLSv1.3" in done.stdout
    last = done.stdout.rstrip().splitlines()[-1]
    # A proxy of the surroundings, say, is a warning.
    warns = "\nwarn  " in done.stdout
    assert last.startswith("nothing failed, but" if warns else "nothing is wrong: ")


def test_a_failure_with_what_to_do(gateway: GatewayProcess) -> None:
    gateway.configure(more='trust_bundle = "nowhere.pem"\n')
    done = gateway.command("doctor")
    assert done.returncode == 1
    assert "fail  configuration           routes.planner.trust_bundle: " in done.stdout
    assert "hint: " in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("something is wrong: ")


def test_a_route_that_is_not_there(gateway: GatewayProcess) -> None:
    done = gateway.command("doctor", "plannr")
    assert done.returncode == 2
    assert "there is no route 'plannr'" in done.stderr
