"""compose.network.yaml: agents reach http://gateway:8701 from their own containers, by a token."""

from __future__ import annotations

import pytest

from tests.e2e.compose.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

URL = "http://gateway:8701/mcp"
_ASK = """
import sys, urllib.error, urllib.request
url, *fields = sys.argv[1:]
request = urllib.request.Request(url, headers=dict(field.split("=", 1) for field in fields))
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


def test_agents_with_the_token_work(network: Project) -> None:
    network.work(URL, "--token-file=/run/secrets/local-token.agent")


@pytest.mark.parametrize("service", ["local-agent", "remote-agent"])
def test_nobody_works_without_it(network: Project, service: str) -> None:
    assert network.python(service, _ASK, URL).startswith("403 ")
    assert network.python(service, _ASK, URL, "X-Devwiz-Gw-Token=" + "0" * 64).startswith("403 ")


def test_only_the_services_name_is_a_host(network: Project) -> None:
    token = (network.folder / "secrets" / "local-token.agent").read_text()
    fields = (f"X-Devwiz-Gw-Token={token}", "Host=evil.example")
    assert network.python("local-agent", _ASK, URL, *fields).startswith("421 ")


def test_the_gateway_is_the_agents_only_way_out(network: Project) -> None:
    assert network.python("local-agent", _CONNECT, "gateway", "8701") == "connected\n"
    assert network.python("local-agent", _CONNECT, "issuer", "8440") == "gaierror\n"
    for joined in network.inspect("issuer")["NetworkSettings"]["Networks"].values():
        address = joined["IPAddress"]
        assert network.python("local-agent", _CONNECT, address, "8440") != "connected\n"
