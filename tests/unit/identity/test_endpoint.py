from __future__ import annotations

import pytest

from identity.endpoint import Endpoint, TcpEndpoint, UnixEndpoint, parse_endpoint
from identity.errors import InvalidEndpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:///run/spire/agent.sock", UnixEndpoint("/run/spire/agent.sock")),
        ("unix:/run/agent.sock", UnixEndpoint("/run/agent.sock")),
        ("unix:///run/my%20agent%23.sock", UnixEndpoint("/run/my agent#.sock")),
        ("tcp://127.0.0.1:8000", TcpEndpoint("127.0.0.1", 8000)),
        ("tcp://[::1]:8000", TcpEndpoint("::1", 8000)),
    ],
)
def test_the_forms_of_the_standard(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/run/agent.sock",
        "unix://run/agent.sock",
        "unix:agent.sock",
        "unix:///run/agent.sock?x=1",
        "unix:///run/%00",
        "unix:///run/%ff",
        "unix:///run/100%.sock",
        "unix:///run/a\ngent.sock",
        "\tunix:///run/agent.sock",
        "unix:///run/agent.sock#x",
        "tcp://localhost:8000",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:[::1]:80",
        "tcp://[::1]0:80",
        "tcp://::1:80",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:8000/path",
        "tcp://me@127.0.0.1:8000",
        "http://127.0.0.1:8000",
        "tcp://[::1",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(InvalidEndpoint) as caught:
        parse_endpoint(text)
    assert "unix:///PATH" in caught.value.hint
