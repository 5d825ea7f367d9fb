"""A revocation list that is swapped under a running gateway cuts what it revokes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.authority import Authority, Leaf, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.raw_client import RawClient, Truncated
from tests.fakes.scripted_upstream import Conversation, ScriptedUpstream, wait_until

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HOUR = timedelta(hours=1)


class Volume:
    """A folder as Kubernetes mounts it: name → ..data/name, ..data → a folder of a release."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._releases = 0
        folder.mkdir()

    def put(self, **texts: str) -> None:
        """Swap to a new release with these files, `.pem` added."""
        self._releases += 1
        release = self._folder / f"..{self._releases}"
        release.mkdir()
        for name, text in texts.items():
            (release / f"{name}.pem").write_text(text)
            link = self._folder / f"{name}.pem"
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}.pem")
        fresh = self._folder / "..tmp"
        fresh.symlink_to(release.name)
        fresh.replace(self._folder / "..data")


@pytest.fixture
def server(authority: Authority) -> Leaf:
    return authority.issue("localhost")


@pytest.fixture
def ended() -> threading.Event:
    """Set when the gateway has left a stream."""
    return threading.Event()


@pytest.fixture
def upstream(
    authority: Authority, server: Leaf, ended: threading.Event
) -> Iterator[ScriptedUpstream]:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(EVENTS + b"3\r\nabc\r\n")
        conversation.wait_gone()
        ended.set()

    with ScriptedUpstream(server_context(server, authority), script) as made:
        yield made


def stream(gateway: GatewayProcess) -> RawClient:
    address = gateway.address()
    host, _, port = address.rpartition(":")
    client = RawClient(socket.create_connection((host, int(port))), address)
    client.send(client.head("/events"))
    return client


def cuts(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """What the log says of connections that were cut."""
    return [line for line in gateway.log() if ": cut " in line.get("message", "")]


def test_a_stream_is_cut_and_told_of(
    gateway: GatewayProcess, authority: Authority, server: Leaf, ended: threading.Event
) -> None:
    volume = Volume(gateway.folder / "trust")
    volume.put(ca=authority.pem, crl=authority.crl())
    gateway.configure(more='trust_bundle = "trust/ca.pem"\ncrl = "trust/crl.pem"\n')
    gateway.start()
    gateway.until_ready()
    with stream(gateway) as client:
        client.read_head()
        assert client.read_chunk() == b"abc"
        volume.put(ca=authority.pem, crl=authority.crl(server.serial))
        with pytest.raises(Truncated):
            client.read_chunk()
        assert ended.wait(5)
    wait_until(lambda: len(cuts(gateway)) == 1)
    (told,) = cuts(gateway)
    assert told["message"] == (
        "planner: cut a connection with dns:localhost: the server's certificate is revoked"
    )
    assert (told["level"], told["route"], told["reason"]) == ("warning", "planner", "revoked")
    code, body = gateway.request("GET")
    assert code == 502
    assert json.loads(body)["detail"] == "the server's certificate is revoked"
    changes = [line["name"] for line in gateway.audit() if line["action"] == "trust.changed"]
    assert changes == [str(gateway.folder / "trust" / "crl.pem")]


def test_an_expired_list_is_told_by_status_and_by_each_answer(
    gateway: GatewayProcess, authority: Authority
) -> None:
    path = gateway.folder / "crl.pem"
    path.write_text(authority.crl(starts=-2 * HOUR, ends=-HOUR))
    text = gateway.config.read_text()
    gateway.configure(text.replace("[identity]\n", '[identity]\ncrl = "crl.pem"\n'))
    gateway.start()
    body = gateway.until(lambda body: body["state"] == "degraded")
    assert "has expired at" in body["reasons"][0]
    assert "has expired at" in gateway.command("status").stdout
    code, answer = gateway.request("GET")
    assert code == 502
    told = "the revocation list of the server's issuer has expired"
    assert json.loads(answer)["detail"] == told
    path.write_text(authority.crl())
    gateway.until_ready()
    with stream(gateway) as client:
        assert b" 200 " in client.read_head()
