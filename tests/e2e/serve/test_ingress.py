"""The whole program in front of a local agent: who may call, what is shown and what is recorded."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.authority import Authority, client_context
from tests.fakes.gateway_process import SPIFFE_ID, GatewayProcess
from tests.fakes.plain_agent import PlainAgent
from tests.fakes.raw_client import DEADLINE_S, Response
from tests.fakes.scripted_upstream import answering, echo, wait_until
from tests.fakes.tls_client import TlsClient

CALLER = "spiffe://acme.example/agent/caller"
STRANGER = "spiffe://acme.example/elsewhere"
LAN = "0.0.0.0"


class Set:
    """A gateway whose second route is an ingress in front of an agent."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self.authority = Authority()
        self.agent = stack.enter_context(PlainAgent(answering(echo)))
        self.gateway = stack.enter_context(
            GatewayProcess(folder, self.authority, upstream_port=self.agent.port)
        )
        self.configure(f'upstream = "http://127.0.0.1:{self.agent.port}"')
        self.gateway.start()
        self.gateway.until_ready()

    def configure(self, upstream: str, *, kind: str = "ingress", listen: str = f"{LAN}:0") -> None:
        """Write the file anew."""
        peer = 'peer = ["spiffe://acme.example/agent/*"]' if kind == "ingress" else ""
        self.gateway.configure(
            more=f'[[routes]]\nname = "inbound"\nkind = "{kind}"\nlisten = "{listen}"\n'
            f"{peer}\n{upstream}\n"
        )

    @property
    def port(self) -> int:
        """Of the ingress."""
        (address,) = self.gateway.status()["routes"][1]["listeners"]
        return int(address.rpartition(":")[2])

    def call(self, name: str) -> TlsClient:
        """A caller's connection."""
        context = client_context(self.authority.issue(name), self.authority)
        sock = self._stack.enter_context(
            socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        )
        return self._stack.enter_context(TlsClient(sock, "agents.example", context))

    def get(self, name: str) -> Response:
        """One request of a caller."""
        return self.call(name).get()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Set]:
    """Running and ready."""
    with ExitStack() as stack:
        yield Set(tmp_path, stack)


def test_a_caller_is_served_and_shown(here: Set) -> None:
    assert here.get(CALLER).status == 200
    said = here.agent.requests[0].fields["x-forwarded-client-cert"]
    assert said.startswith(f"By={SPIFFE_ID};Hash=")
    assert said.endswith(f";URI={CALLER}")
    route = here.gateway.status()["routes"][1]
    assert (route["kind"], route["tls_version"]) == ("ingress", "TLSv1.3")
    assert route["listener_urls"] == [f"https://{LAN}:{here.port}"]
    assert route["upstream"] == f"http://127.0.0.1:{here.agent.port}"
    shown = here.gateway.command("status").stdout
    assert f"https://{LAN}:{here.port}" in shown
    assert "spiffe://acme.example/agent/*" in shown
    here.gateway.signal(signal.SIGTERM)
    code, out, _ = here.gateway.wait()
    assert code == 0
    assert f"inbound: https://{LAN}:{route['listeners'][0].rpartition(':')[2]} → http://" in out


def test_a_refused_caller_is_in_the_journal_by_its_id(here: Set) -> None:
    answer = here.get(STRANGER)
    assert answer.status == 403
    assert json.loads(answer.body)["route"] == "inbound"
    wait_until(lambda: any(line["action"] == "route.use" for line in here.gateway.audit()))
    (line,) = [line for line in here.gateway.audit() if line["action"] == "route.use"]
    assert (line["outcome"], line["name"]) == ("denied", "inbound")
    assert line["reason"] == f"the caller is {STRANGER}, which no peer allows"
    assert not here.agent.requests


def test_a_failed_handshake_is_in_the_log_and_in_status(here: Set) -> None:
    with socket.create_connection(("127.0.0.1", here.port), DEADLINE_S) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while sock.recv(100):
            pass
    why = "the caller speaks plaintext HTTP to a port that wants TLS"
    here.gateway.until(lambda body: body["routes"][1]["last_error"] == why)
    wait_until(lambda: any(why in str(line) for line in here.gateway.log()))
    assert not [line for line in here.gateway.audit() if line["action"] == "route.use"]


def test_a_renewed_certificate_is_shown_to_the_next_caller(here: Set) -> None:
    def shown() -> bytes:
        client = here.call(CALLER)
        assert client.get().status == 200
        return client.tls.getpeercert(binary_form=True) or b""

    before = shown()
    here.gateway.renew_identity()
    here.gateway.ask("POST", "/identity/renew")
    here.gateway.until(lambda body: body["identity"]["generation"] == 2)
    wait_until(lambda: shown() != before)


def test_a_reload_moves_it_to_a_unix_socket_and_makes_it_another_kind(here: Set) -> None:
    path = here.gateway.folder / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)
        before = here.port
        here.configure('upstream = "unix:agent.sock"')
        assert here.gateway.ask("POST", "/reload")[0] == 200
        assert here.port == before
        client = here.call(CALLER)
        client.send(client.head())
        with listening.accept()[0] as agent:
            head = agent.recv(65_536)
            assert b"\r\nHost: localhost\r\n" in head
            agent.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert client.read_response().status == 204
    here.configure(
        f'upstream = "tls://127.0.0.1:{here.agent.port}"', kind="tcp", listen="127.0.0.1:0"
    )
    assert here.gateway.ask("POST", "/reload")[0] == 200
    route = here.gateway.until(lambda body: body["routes"][1]["kind"] == "tcp")["routes"][1]
    assert route["listener_urls"][0].startswith("tcp://127.0.0.1:")
    assert route["upstream"] == f"tls://127.0.0.1:{here.agent.port}"


def test_a_file_that_would_let_everybody_in_is_refused(here: Set) -> None:
    text = here.gateway.config.read_text().replace('peer = ["spiffe://acme.example/agent/*"]', "")
    here.gateway.write_config(text)
    refused = here.gateway.command("config", "check")
    assert refused.returncode != 0
    assert "routes.inbound.peer: is missing" in refused.stderr
    code, answer = here.gateway.ask("POST", "/reload")
    assert (code, "routes.inbound.peer" in str(answer)) == (409, True)
    assert here.get(CALLER).status == 200
