"""A gateway on a good identity that is told, by reload after reload, to take a useless one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.authority import Authority
from tests.fakes.certificates import AGENT
from tests.fakes.sourced_gateway import SourcedGateway, sourced_gateway

GOOD = f"""
[identity]
source = "files"
spiffe_id = "{AGENT}"
[identity.files]
certificate = "good.crt"
private_key = "good.key"
trust_bundle = "good-ca.pem"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A useless identity, and what has to be said of it.

    Attributes:
        identity: the TOML in place of the good one.
        files: to be written first.
        said: what the error has to match: the step, and the claim or field.
        hint: a part of the remedy.
        secrets: must not be seen anywhere.
    """

    identity: str
    said: str
    hint: str
    files: Sequence[tuple[str, str]] = ()
    secrets: Sequence[str] = ()


@contextmanager
def running(folder: Path) -> Iterator[SourcedGateway]:
    """The gateway, with a request answered."""
    authority = Authority()
    with sourced_gateway(folder, GOOD, client_authorities=authority.pem.encode()) as (gateway, _):
        leaf = authority.issue(AGENT)
        gateway.keep("good.crt", leaf.chain_pem)
        gateway.keep("good.key", leaf.key_pem)
        gateway.keep("good-ca.pem", authority.pem)
        gateway.start()
        gateway.until_ready()
        assert gateway.request(path="/echo")[0] == 200
        yield gateway


def serves_on_and_says(gateway: SourcedGateway, bad: Bad) -> None:
    """Take the bad identity in: requests are served by the good one, and the reason is told."""
    for name, text in bad.files:
        gateway.keep(name, text)
    config, before = gateway.config.read_text(), gateway.status()["identity"]
    gateway.write_config(config.replace(GOOD, bad.identity))
    reloaded = gateway.command("reload")
    assert reloaded.returncode == 0, reloaded.stderr
    body = gateway.until(lambda body: bool(body["identity"]["last_error"]))
    now = body["identity"]
    assert re.search(bad.said, now["last_error"]), now["last_error"]
    assert now["last_error_hint"], now["last_error"]
    assert bad.hint in now["last_error_hint"], now["last_error_hint"]
    assert "\n" not in now["last_error"]
    # The same certificate as before, and in use.
    assert (now["serial"], now["not_after"]) == (before["serial"], before["not_after"])
    assert gateway.request(path="/echo")[0] == 200
    told = gateway.command("status").stdout + gateway.folder.joinpath("gw.log").read_text()
    for secret in bad.secrets:
        assert secret not in told + json.dumps(body)
    gateway.write_config(config)
    assert gateway.command("reload").returncode == 0
    gateway.until(lambda body: not body["identity"]["last_error"])
