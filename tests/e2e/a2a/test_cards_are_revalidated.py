"""A client that keeps a card asks for it again by its tag, and gets it when it is another one."""

from __future__ import annotations

import http.client
import json

import pytest

from tests.e2e.a2a.conftest import A2a
from tests.fakes.gateway_process import DEADLINE_S

CARD = "/.well-known/agent-card.json"


def fetch(address: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
    try:
        connection.request("GET", CARD, headers=headers)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()


@pytest.mark.program("a2a")
def test_the_tag_is_of_what_the_client_has(a2a: A2a) -> None:
    address = a2a.gateways.address
    first, body = fetch(address)
    assert first.headers["cache-control"] == "max-age=60"
    assert first.headers["x-devwiz-gw-agent-card"] == "local"
    assert len(body) == int(first.headers["content-length"])
    tag = first.headers["etag"]
    again, nothing = fetch(address, **{"If-None-Match": f'"other", {tag}'})
    assert (again.status, nothing, again.headers["etag"]) == (304, b"", tag)
    # Under another name of the gateway it is another card.
    port = address.rpartition(":")[2]
    other, otherwise = fetch(f"localhost:{port}", **{"If-None-Match": tag})
    assert other.status == 200
    urls = [item["url"] for item in json.loads(otherwise)["supportedInterfaces"]]
    assert urls[1:] == [f"http://localhost:{port}/a2a", f"http://localhost:{port}/rest"]
    said = [line.get("message", "") for line in a2a.gateways.far.log()]
    assert any("lost its signatures" in message for message in said)
