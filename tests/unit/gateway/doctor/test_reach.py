"""Names and ports, some of which answer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.doctor.reach import Address, open_ports, resolve

pytestmark = pytest.mark.may_block("opens ports")


async def _lookup(host: str, port: int) -> tuple[Address, ...]:
    if host == "silent.example":
        await asyncio.Event().wait()
    if host == "none.example":
        raise OSError(-2, "Name or service not known")
    return (("192.0.2.1", port), ("2001:db8::1", port))


async def _resolved(*targets: Address) -> tuple[str, str, list[Address]]:
    finding, found = await resolve(targets, about="x", lookup=_lookup, deadline_s=0.05)
    return finding.result, finding.detail, found


async def test_a_name_is_its_addresses() -> None:
    result, detail, found = await _resolved(("a.example", 443))
    assert (result, detail) == ("pass", "a.example is 192.0.2.1:443, [2001:db8::1]:443")
    assert found == [("192.0.2.1", 443), ("2001:db8::1", 443)]


async def test_an_address_is_not_looked_up() -> None:
    result, detail, found = await _resolved(("127.0.0.1", 1), ("/run/x.sock", 0))
    assert (result, found) == ("pass", [("127.0.0.1", 1), ("/run/x.sock", 0)])
    assert "nothing to look up" in detail


async def test_some_and_none() -> None:
    result, detail, found = await _resolved(("a.example", 1), ("none.example", 1))
    assert (result, len(found)) == ("warn", 2)
    assert "none.example does not resolve: name or service not known" in detail
    result, detail, found = await _resolved(("silent.example", 1))
    assert (result, found) == ("fail", [])
    assert detail == "no answer about silent.example in 0.05 s"


async def test_ports_of_which_one_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        good, bad = listening.getsockname(), closed.getsockname()
        finding, found = await open_ports([bad, good], about="x", deadline_s=20)
        assert (finding.result, finding.reason, found) == ("warn", "unreachable", [good])
        assert "connection refused" in finding.detail
        finding, found = await open_ports([good], about="x", deadline_s=20)
        assert (finding.result, found) == ("pass", [good])
        finding, found = await open_ports([bad], about="x", deadline_s=20)
        assert (finding.result, found) == ("fail", [])
