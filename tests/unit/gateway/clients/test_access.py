"""`gateway.clients.access`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clients.access import Access, access_to
from gateway.config.model import TcpAddress, UnixAddress

V4, V6 = TcpAddress("127.0.0.1", 8701), TcpAddress("::1", 8701)
ANY, LAN = TcpAddress("0.0.0.0", 8701), TcpAddress("10.0.0.7", 8702)
UNIX = UnixAddress(Path("/run/a b.sock"))


@pytest.mark.parametrize(
    ("listeners", "url", "path"),
    [
        ([UNIX, LAN, ANY, V6, V4], "http://127.0.0.1:8701/mcp", ""),
        ([UNIX, LAN, ANY, V6], "http://[::1]:8701/mcp", ""),
        ([UNIX, LAN, ANY], "http://127.0.0.1:8701/mcp", ""),
        ([TcpAddress("::", 8701)], "http://[::1]:8701/mcp", ""),
        ([UNIX, LAN], "http://10.0.0.7:8702/mcp", ""),
        ([UNIX], "http://localhost/mcp", "/run/a b.sock"),
    ],
)
def test_the_nearest_listener_is_taken(
    listeners: list[TcpAddress | UnixAddress], url: str, path: str
) -> None:
    assert access_to("planner", listeners, path="/mcp") == Access(
        route="planner", url=url, socket=path
    )


def test_a_token_is_sent_as_a_header_and_not_shown() -> None:
    access = access_to("planner", [V4], path="/", token="dwgw_canary")
    assert access.headers == {"X-Devwiz-Gw-Token": "dwgw_canary"}
    assert "canary" not in repr(access)
    assert access_to("planner", [V4], path="/").headers == {}
