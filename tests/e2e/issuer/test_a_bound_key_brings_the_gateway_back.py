"""A gateway with a key in the desktop's keychain comes back without anybody: after a restart, after
a kill, after its certificate ended while the issuer was away.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issuer.folder import open_issuer
from certs.issuer.joins.rule_book import RuleWish
from certs.issuer.joins.rules import BoundKeyTerms
from tests.fakes.gateway_process import AnyGateway
from tests.fakes.issuer import audit_lines
from tests.fakes.secret_service import SessionBus, gnome_keyring, session_bus
from tests.fakes.stack import LAPTOP, IssuerProcess

RULE = "laptop"


class Bound:
    """An issuer with a rule for a bound key; a gateway that has the registration secret only."""

    def __init__(self, folder: Path, issuer: IssuerProcess, bus: SessionBus) -> None:
        self.issuer = issuer
        home = folder / "gateway"
        home.mkdir(mode=0o700)
        self.gateway = AnyGateway(home)
        self.gateway.env |= bus.env
        secret = self._registration()
        file = home / "registration-secret"
        file.touch(0o600)
        file.write_text(secret)
        self.gateway.write_config(f"""
project = "acme"
[identity]
source = "issuer"
spiffe_id = "{LAPTOP}"
[identity.issuer]
url = "{issuer.url}"
ca_pin = "{issuer.ca_pin}"
bound_rule = "{RULE}"
bound_key_secret = "device-key"
registration_file = "registration-secret"
[admin]
socket = "unix:admin.sock"
[log]
file = "gw.log"
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://127.0.0.1:1"
peer = ["{LAPTOP}"]
""")

    def has_identity(self) -> None:
        self.gateway.until(lambda body: body["identity"]["state"] == "valid")

    def end(self, how: signal.Signals) -> None:
        """End the gateway's supervisor, and wait for it."""
        self.gateway.signal(how)
        self.gateway.wait()

    def joins(self) -> list[dict[str, object]]:
        return [line for line in audit_lines(self.issuer.folder) if line["action"] == "join"]

    def _registration(self) -> str:
        opened = open_issuer(self.issuer.folder)
        wish = RuleWish(name=RULE, workload="laptop", terms=BoundKeyTerms())
        try:
            made = opened.rule_book.add(wish, datetime.now(UTC))
        finally:
            opened.service.close()
        assert made.registration is not None
        return made.registration.reveal()


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Bound]:
    with ExitStack() as cleanup:
        issuer = cleanup.enter_context(IssuerProcess(tmp_path / "issuer", life_s=10))
        issuer.start()
        desk = tmp_path / "desk"
        desk.mkdir()
        bus = cleanup.enter_context(session_bus(desk))
        cleanup.enter_context(gnome_keyring(bus))
        made = Bound(tmp_path, issuer, bus)
        cleanup.enter_context(made.gateway)
        yield made


def test_it_comes_back_without_anybody(bound: Bound) -> None:
    gateway = bound.gateway
    gateway.start()
    bound.has_identity()
    (gateway.folder / "registration-secret").unlink()
    for how in (signal.SIGTERM, signal.SIGKILL):
        bound.end(how)
        gateway.start()
        bound.has_identity()
    joins = bound.joins()
    assert [line["outcome"] for line in joins] == ["allow"] * 3
    assert len({line["instance"] for line in joins}) == 1
    # The issuer is away for longer than the certificate lives: the old key renews it.
    bound.issuer.kill()
    gateway.until(lambda body: body["identity"]["state"] == "expired")
    bound.issuer.start()
    bound.has_identity()
    assert len(bound.joins()) == 3
    key = "-----BEGIN"
    for path in gateway.folder.rglob("*"):
        if path.is_file():
            assert key not in path.read_text(errors="replace"), path
