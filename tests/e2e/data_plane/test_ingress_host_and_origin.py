"""An ingress answers to any name, maps its agent's redirects, and lets in allowed pages only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.e2e.data_plane.conftest import StartDoor
from tests.fakes.scripted_upstream import answering, digest, response


def test_the_agent_gets_its_own_name_whatever_the_caller_uses(door: StartDoor) -> None:
    here = door(answering(digest))
    client = here.call()
    for host in ("agents.example", "10.0.0.7:8443", "[::1]", "localhost"):
        client.host = host
        assert client.get("/a").status == 200
    (name,) = {received.fields["host"] for received in here.agent.requests}
    assert name == f"localhost:{here.agent.port}"


def test_a_redirect_to_the_agent_leads_back_to_the_caller_s_name(door: StartDoor) -> None:
    locations = ["http://localhost:{port}/new?a", "/relative", "https://localhost:{port}/x"]
    here = door(
        answering(
            lambda received: response(
                b"",
                f"Location: {locations[int(received.target[1:])].format(port=here.agent.port)}",
                status="307 Temporary Redirect",
            )
        )
    )
    client = here.call()
    client.host = "agents.example:8443"
    seen = [client.get(f"/{number}").field("location") for number in range(3)]
    assert seen == [
        "https://agents.example:8443/new?a",
        "/relative",
        f"https://localhost:{here.agent.port}/x",
    ]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 200),
        (("Origin: https://evil.example",), 403),
        (("Origin: https://127.0.0.1",), 403),
        (("Origin: null",), 403),
        (("Origin: https://console.example",), 200),
        (("Origin: https://console.example", "Sec-Fetch-Site: same-site"), 200),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: same-site",), 403),
        (("Sec-Fetch-Site: none",), 200),
    ],
)
def test_a_browser_that_has_a_certificate_too(
    door: StartDoor, lines: tuple[str, ...], status: int
) -> None:
    here = door(answering(digest))
    (listener,) = here.worker.route.listeners
    here.worker.change(listeners=(replace(listener, origins=("https://console.example",)),))
    answer = here.call().get("/", *lines)
    assert answer.status == status
    assert answer.field("access-control-allow-origin") is None


def test_a_request_in_plaintext_is_no_request(door: StartDoor) -> None:
    here = door(answering(digest))
    with here.worker.connect() as plain:
        plain.send(plain.head())
        assert plain.ended()
    assert "plaintext HTTP" in here.worker.stats().last_error
    assert not here.agent.requests
