"""Identity files that can't be used: the gateway listens, says what is wrong and what to do, and
begins to serve when they are mended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    authority = Authority()
    context = server_context(authority.issue("localhost"), authority)
    folder = tmp_path / "gateway"
    folder.mkdir(mode=0o700)
    with (
        ScriptedUpstream(context, answering(echo)) as upstream,
        GatewayProcess(folder, authority, upstream_port=upstream.port) as made,
    ):
        yield made


def make_the_key_readable_by_everybody(folder: Path) -> None:
    (folder / "client.key").chmod(0o604)


def replace_the_key_by_a_foreign_one(folder: Path) -> None:
    (folder / "client.key").write_text(Authority().issue("spiffe://other.example/x").key_pem)


def break_the_bundle(folder: Path) -> None:
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize(
    ("spoil", "told", "file", "remedy"),
    [
        (make_the_key_readable_by_everybody, "holds a private key", "client.key", "chmod 600"),
        (replace_the_key_by_a_foreign_one, "", "client.crt", "belong together"),
        (break_the_bundle, "", "ca.pem", ""),
    ],
)
def test_it_is_named(
    gateway: GatewayProcess, spoil: Callable[[Path], None], told: str, file: str, remedy: str
) -> None:
    bundle = (gateway.folder / "ca.pem").read_text()
    spoil(gateway.folder)
    gateway.start()
    identity = gateway.until(lambda body: bool(body["identity"]["last_error"]))["identity"]
    assert told in identity["last_error"]
    assert file in identity["last_error"]
    assert remedy in identity["last_error_hint"]
    shown = gateway.command("status")
    assert shown.returncode == 1
    assert file in shown.stdout
    gateway.until(lambda _: file in refusal(gateway))
    assert "PRIVATE KEY" not in (gateway.folder / "gw.log").read_text()
    gateway.renew_identity()
    (gateway.folder / "ca.pem").write_text(bundle)
    gateway.until_ready()
    assert gateway.request("POST", body=b"hello") == (200, b"hello")


def refusal(gateway: GatewayProcess) -> str:
    """Why a request is not served."""
    code, answer = gateway.request("POST", body=b"x")
    assert code == 503
    detail: str = json.loads(answer)["detail"]
    return detail


def test_a_routes_bundle_that_is_broken_ends_the_start(gateway: GatewayProcess) -> None:
    (gateway.folder / "other-ca.pem").write_text("nothing of use\n")
    gateway.configure(more='trust_bundle = "other-ca.pem"\n')
    gateway.start()
    code, out, err = gateway.wait()
    assert (code, out) == (1, "")
    assert "other-ca.pem" in err
    assert "hint:" in err
    assert "Traceback" not in err
    assert not (gateway.folder / "admin.sock").exists()
