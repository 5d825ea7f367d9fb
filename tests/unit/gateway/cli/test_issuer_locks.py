"""`devwiz-gw issuer lock`, `unlock` and `instances`: what they print, do and refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certs import csr, keys
from certs.clock import SystemClock
from certs.issuer.folder import init, open_issuer
from certs.issuer.refusal import Refused
from certs.issuer.service import IssuerService
from certs.issuer.signing import Issued
from certs.revocation import read_lists
from gateway.cli.main import main
from tests.fakes.issuer import TRUST_DOMAIN, ManualClock, leaf_der, leaf_of, new_token

CLOCK = SystemClock()


@pytest.fixture
def running(workdir: Path) -> Iterator[IssuerService]:
    """An issuer that has its folder `issuer` open while commands work on it."""
    init(workdir / "issuer", trust_domain=TRUST_DOMAIN, now=CLOCK.now())
    service = open_issuer(workdir / "issuer").service
    yield service
    service.close()


@pytest.fixture
def held(running: IssuerService) -> Issued:
    token = new_token(running, ManualClock())
    return running.join(token, csr.build(keys.generate()), peer="", now=CLOCK.now())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    command, *options = arguments
    code = main(["issuer", command, "--dir", "issuer", *options])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    result: dict[str, Any] = json.loads(out)
    return result


def renew(running: IssuerService, held: Issued) -> Issued:
    request = csr.build(keys.generate())
    return running.renew(leaf_der(held), request, peer="", now=CLOCK.now())


def revoked(running: IssuerService) -> list[int]:
    lists = read_lists(running.revocation_lists(CLOCK.now()).pem)
    return [entry.serial_number for crl in lists for entry in crl]


def test_a_lock_takes_effect_in_the_running_issuer_at_once(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "lock", "--instance", held.instance[:12], "--message", "lost")
    assert code == 0
    assert out.splitlines() == [
        f"locked instance {held.instance} until it is lifted",
        "1 certificate is on the revocation list (certificate_hold)",
    ]
    assert f"issuer unlock --dir issuer --instance {held.instance}" in err
    with pytest.raises(Refused, match="this instance is locked"):
        renew(running, held)
    assert revoked(running) == [leaf_of(held).serial_number]
    assert run(capsys, "unlock", "--instance", held.instance)[0] == 0
    assert revoked(running) == []
    renew(running, held)


@pytest.mark.usefixtures("running")
def test_a_workload_that_nobody_knows_is_locked_and_told(
    held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    workload = held.spiffe_id.rpartition("/")[2]
    for name, is_told in ((workload, False), ("nobody", True)):
        code, _, err = run(capsys, "lock", "--bot", name)
        assert code == 0
        assert (f"no workload has joined as {name} so far" in err) is is_told


def test_a_lock_as_json(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    made = document(capsys, "lock", "--bot", "planner", "--ttl", "2h", "--revoke", "key_compromise")
    assert (made["kind"], made["target"], made["message"]) == ("bot", "planner", "")
    assert (made["revoke"], made["revoked_certificates"]) == ("key_compromise", 1)
    assert made["until"] > made["locked"]
    lifted = document(capsys, "unlock", "--bot", "planner")
    assert lifted == {"kind": "bot", "target": "planner"}
    assert revoked(running) == [leaf_of(held).serial_number]


def test_certificates_can_be_left_alone(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "lock", "--bot", "planner", "--revoke", "none")
    assert (code, out.splitlines()) == (0, ["locked bot planner until it is lifted"])
    assert revoked(running) == []
    with pytest.raises(Refused, match="this workload is locked"):
        renew(running, held)


def test_a_token_is_locked_by_the_id_that_instances_shows(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = document(capsys, "instances")["instances"]
    assert run(capsys, "lock", "--token", shown["token_id"])[0] == 0
    with pytest.raises(Refused, match="the join token is locked"):
        renew(running, held)


def test_instances_as_a_table(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "lock", "--bot", "planner", "--ttl", "2h", "--message", "call Ada")
    code, out, _ = run(capsys, "instances")
    heading, row, gap, locks_heading, lock = out.splitlines()
    assert (code, gap) == (0, "")
    assert heading.split() == [
        *("INSTANCE", "BOT", "SPIFFE", "ID", "GENERATION", "SEEN", "CERTIFICATE", "LOCK")
    ]
    assert row.startswith(f"{held.instance[:12]}  planner  {held.spiffe_id}  1")
    assert row.endswith("  bot")
    assert "good for 59m" in row
    assert locks_heading.split() == ["LOCK", "ON", "SINCE", "FOR", "MESSAGE"]
    assert lock.startswith("bot   planner")
    assert lock.endswith("call Ada")


def test_instances_as_json(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    renewed = renew(running, held)
    (shown,) = document(capsys, "instances")["instances"]
    assert shown["instance"] == held.instance
    assert shown["bot"] == "planner"
    assert (shown["generation"], shown["live_certificates"]) == (2, 2)
    assert shown["not_after"] == renewed.not_after.isoformat(timespec="seconds")
    assert shown["lock"] is None


def test_instances_can_be_picked(
    running: IssuerService, held: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document(capsys, "instances", "--bot", "coder")["instances"] == []
    assert document(capsys, "instances", "--locked")["instances"] == []
    run(capsys, "lock", "--instance", held.instance)
    assert len(document(capsys, "instances", "--locked", "--bot", "planner")["instances"]) == 1


def test_an_issuer_without_instances(
    running: IssuerService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "instances")[:2] == (0, "no instances\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--instance", "0123456789"), "there is no instance '0123456789'"),
        (("--token", "0123456789"), "there is no join token '0123456789'"),
        (("--bot", "planner", "--message", "a\nb"), "the lock's message is not usable"),
    ],
)
def test_a_lock_that_cant_be(
    running: IssuerService,
    held: Issued,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    code, out, err = run(capsys, "lock", *options)
    assert (code, out) == (1, "")
    assert said in err
    assert "hint" in err or "use " in err or "give " in err


def test_nothing_to_unlock(running: IssuerService, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "unlock", "--bot", "planner")
    assert code == 1
    assert "there is no lock on bot 'planner'" in err


def test_a_lock_needs_one_target(
    running: IssuerService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "lock")[0] == 2
    assert run(capsys, "lock", "--bot", "a", "--token", "b")[0] == 2
