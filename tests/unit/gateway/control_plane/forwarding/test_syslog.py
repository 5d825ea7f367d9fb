"""`gateway.control_plane.forwarding.syslog_message` and `syslog_link`."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.control_plane.forwarding.record import Away, Record, Rejected, Taken
from gateway.control_plane.forwarding.syslog_link import SyslogDatagrams, SyslogStream
from gateway.control_plane.forwarding.syslog_message import Sender, counted, message
from tests.fakes.authority import Authority
from tests.fakes.syslog_server import StreamServer, frames, parse
from tests.unit.gateway.control_plane.forwarding.conftest import Records

SENDER = Sender(facility=10, hostname="laptop", version='1.2"]\\')


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_message_holds_the_whole_line(records: Records) -> None:
    (record,) = await records("schlüssel-\x1b[31m")
    seen = parse(message(record, SENDER))
    assert (seen.facility, seen.severity, seen.host, seen.app) == (10, 6, "laptop", "devwiz-gw")
    assert seen.id == "secret.use"
    assert seen.pid == str(record.fields["client"]["pid"])
    assert seen.elements["meta"] == {"sequenceId": "1"}
    assert seen.elements["origin"] == {"software": "devwiz-gw", "swVersion": "1.2"}
    assert seen.text == record.text
    assert seen.at == record.at


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"action": "x y\nz" * 20, "outcome": "denied"}, ("-", "x?y?z" * 6 + "x?", 4)),
        ({"action": "", "outcome": 3, "client": "odd"}, ("-", "-", 6)),
        ({"time": "nonsense", "client": {"pid": 7}}, ("7", "-", 6)),
    ],
)
def test_odd_fields_make_good_messages(
    fields: dict[str, object], expected: tuple[str, str, int]
) -> None:
    record = Record(2**31, "ff", "…\ud800", fields)
    seen = parse(message(record, replace(SENDER, hostname="")))
    assert (seen.pid, seen.id, seen.severity) == expected
    assert seen.host == "-"
    assert seen.elements["meta"] == {"sequenceId": "1"}
    assert seen.at == datetime(1970, 1, 1, tzinfo=UTC)


def test_messages_on_a_stream_are_counted() -> None:
    assert counted(b"abc") == b"3 abc"
    assert frames(b"3 abc2 xy1") == [b"abc", b"xy"]


@pytest.mark.parametrize("kind", ["unix", "udp"])
async def test_datagrams(kind: str, tmp_path: Path, records: Records) -> None:
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log") if kind == "unix" else ("127.0.0.1", 0))
        server.setblocking(False)
        to = f"unix://{tmp_path}/log" if kind == "unix" else f"udp://127.0.0.1:{port_of(server)}"
        destination = SyslogDatagrams(to, SENDER)
        made = await records("a", "b")
        assert await destination.send(made) == Taken()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            seen = [parse(await loop.sock_recv(server, 65536)) for _ in made]
        assert [json.loads(item.text)["name"] for item in seen] == ["a", "b"]
        long = replace(made[0], text="x" * 300_000)
        assert await destination.send([long]) == Rejected("the line is too long for a datagram")
        await destination.close()


async def test_a_socket_that_is_not_there_may_come_back(tmp_path: Path, records: Records) -> None:
    destination = SyslogDatagrams(f"unix://{tmp_path}/log", SENDER)
    made = await records("a")
    away = await destination.send(made)
    assert away == Away("the syslog server can't be reached: no such file or directory")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        assert await destination.send(made) == Taken()
    # The daemon is started again: another socket at the same path.
    (tmp_path / "log").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        assert isinstance(await destination.send(made), Away)
        assert await destination.send(made) == Taken()
    await destination.close()


async def test_a_stream(records: Records) -> None:
    with StreamServer() as server:
        destination = SyslogStream(f"tcp://127.0.0.1:{server.port}", SENDER, ca_file=None)
        made = await records(*"abcde")
        assert await destination.send(made[:2]) == Taken()
        assert await destination.send(made[2:]) == Taken()
        await until(lambda: len(server.messages) == 5)
        assert len(server.streams) == 1
        assert [json.loads(item.text)["name"] for item in server.messages] == list("abcde")
        await destination.close()


async def test_a_stream_that_was_closed_is_opened_again(records: Records) -> None:
    with StreamServer() as server:
        destination = SyslogStream(f"tcp://127.0.0.1:{server.port}", SENDER, ca_file=None)
        made = await records("a", "b")
        assert await destination.send(made[:1]) == Taken()
        await until(lambda: len(server.messages) == 1)
        server.cut()
        while not isinstance(await destination.send(made[1:]), Taken) or len(server.streams) < 2:
            await asyncio.sleep(0.01)
        await until(lambda: json.loads(server.messages[-1].text)["name"] == "b")
        await destination.close()


async def test_a_server_that_talks_before_it_hangs_up(records: Records) -> None:
    made = await records("a")
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(65536))
        writer.write(b"good bye")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        destination = SyslogStream(
            f"tcp://127.0.0.1:{port_of(server.sockets[0])}", SENDER, ca_file=None
        )
        async with asyncio.timeout(20):
            while len(got) < 2:
                await destination.send(made)
                await asyncio.sleep(0.01)
        await destination.close()
    assert [len(frames(data)) for data in got] == [1, 1]


async def test_over_tls_to_the_right_server_only(tmp_path: Path, records: Records) -> None:
    authority, other = Authority(), Authority()
    leaf = authority.issue("127.0.0.1", "localhost")

    def write() -> None:
        (tmp_path / "chain.pem").write_text(leaf.chain_pem)
        (tmp_path / "key.pem").write_text(leaf.key_pem)
        (tmp_path / "ca.pem").write_text(authority.pem)
        (tmp_path / "other.pem").write_text(other.pem)

    await asyncio.to_thread(write)
    made = await records("a")
    certificate = (tmp_path / "chain.pem", tmp_path / "key.pem")
    server = await asyncio.to_thread(StreamServer, certificate)
    with server:
        to = f"tls://localhost:{server.port}"
        for ca_file in (tmp_path / "other.pem", None):
            wrong = SyslogStream(to, SENDER, ca_file=ca_file)
            assert isinstance(await wrong.send(made), Away)
            await wrong.close()
        right = SyslogStream(to, SENDER, ca_file=tmp_path / "ca.pem")
        assert await right.send(made) == Taken()
        await until(lambda: len(server.messages) == 1)
        await right.close()


async def test_what_is_not_acknowledged_is_not_sent(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.control_plane.forwarding.syslog_link.TIMEOUT_S", 0.3)
    made = [replace(item, text="x" * 60_000) for item in await records(*map(str, range(100)))]
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        destination = SyslogStream(f"tcp://127.0.0.1:{port_of(deaf)}", SENDER, ca_file=None)
        verdict = await destination.send(made)
        assert verdict == Away("the syslog server doesn't acknowledge what was sent")
        await destination.close()


def port_of(opened: Any) -> int:
    port: int = opened.getsockname()[1]
    return port
