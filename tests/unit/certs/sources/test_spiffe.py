"""The spiffe source against a server on grpc-go, and against what is no Workload API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.errors import (
    CertsError,
    IdentityWithdrawn,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from certs.sources.spiffe import SpiffeSource
from certs.svid import Chain
from identity.endpoint import UnixEndpoint
from tests.fakes.certificates import AGENT, root
from tests.fakes.issuer import generation_of
from tests.fakes.workload_api import Domain, Svid, WorkloadApi

real = pytest.mark.program("workload-api")
OTHER = "spiffe://acme.example/agent/other"
WITHIN_S = 10


@pytest.fixture
def domain() -> Domain:
    return Domain()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[WorkloadApi]:
    with WorkloadApi(tmp_path / "api.sock") as api:
        yield api


OpenSource = Callable[..., SpiffeSource]


@pytest.fixture
async def open_source(api: WorkloadApi) -> AsyncIterator[OpenSource]:
    opened: list[SpiffeSource] = []

    def open_one(**options: Any) -> SpiffeSource:
        opened.append(SpiffeSource(api.endpoint, **options))
        return opened[-1]

    yield open_one
    for source in opened:
        await source.close()


# Against the real protobufs


@real
async def test_the_default_is_the_first(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid(), domain.svid(OTHER), federated=[root("federated")])
    identity = await open_source().obtain(None)
    assert identity.spiffe_id == AGENT
    assert identity.bundle_pem == domain.root.pem
    assert len(Chain.from_pem(identity.chain_pem).intermediates) == 1
    assert identity.renew_after == identity.not_after


@real
async def test_an_svid_is_chosen_by_name_or_hint(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid(), domain.svid(OTHER, hint="external"), domain.svid(hint="external"))
    assert (await open_source(spiffe_id=OTHER).obtain(None)).spiffe_id == OTHER
    assert (await open_source(hint="external").obtain(None)).spiffe_id == OTHER
    both = open_source(hint="external", spiffe_id=AGENT)
    assert (await both.obtain(None)).spiffe_id == AGENT


@real
@pytest.mark.parametrize("wish", [{"spiffe_id": OTHER}, {"hint": "external"}])
async def test_an_svid_that_is_not_given_is_told_with_those_that_are(
    api: WorkloadApi, open_source: OpenSource, domain: Domain, wish: dict[str, str]
) -> None:
    api.give(domain.svid())
    with pytest.raises(IdentityWithdrawn, match="gives no SVID") as caught:
        await open_source(**wish).obtain(None)
    assert AGENT in caught.value.hint


@real
async def test_a_push_is_news_and_what_comes_next(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid())
    source = open_source()
    first = await source.obtain(None)
    watch = asyncio.ensure_future(source.changed())
    await asyncio.sleep(0.05)
    assert not watch.done()
    api.give(domain.svid())
    await asyncio.wait_for(watch, WITHIN_S)
    second = await source.obtain(generation_of(first))
    assert second.serial != first.serial


@real
async def test_a_new_bundle_alone_is_news(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    svid = domain.svid()
    api.give(svid)
    source = open_source()
    first = await source.obtain(None)
    api.give(replace(svid, bundle=svid.bundle + Domain().svid().bundle))
    await asyncio.wait_for(source.changed(), WITHIN_S)
    second = await source.obtain(generation_of(first))
    assert second.serial == first.serial
    assert second.bundle_pem.count(b"BEGIN") == 2


@real
async def test_a_watch_that_was_cancelled_loses_no_push(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid())
    source = open_source()
    first = await source.obtain(None)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await source.changed()
    api.give(domain.svid())
    await asyncio.wait_for(source.changed(), WITHIN_S)
    assert (await source.obtain(generation_of(first))).serial != first.serial


@real
async def test_a_redacted_svid_is_withdrawn(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid())
    source = open_source()
    current = generation_of(await source.obtain(None))
    api.give()
    await asyncio.wait_for(source.changed(), WITHIN_S)
    with pytest.raises(IdentityWithdrawn, match="gives no SVID") as caught:
        await source.obtain(current)
    assert "none at all" in caught.value.hint


@real
async def test_an_agent_that_restarts_is_found_again(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid())
    source = open_source(clock=Hurried())
    first = await source.obtain(None)
    watch = asyncio.ensure_future(source.changed())
    api.kill()
    await asyncio.sleep(0.05)
    api.start()
    api.give(domain.svid())
    await asyncio.wait_for(watch, WITHIN_S)
    assert (await source.obtain(generation_of(first))).serial != first.serial


@real
@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (1, SourceUnavailable, "cancelled"),
        (3, SourceDenied, "invalid argument"),
        (7, SourceUnavailable, "permission denied: told to fail"),
        (12, SourceDenied, "unimplemented"),
        (14, SourceUnavailable, "unavailable"),
    ],
)
async def test_the_agents_status_says_whether_to_ask_again(
    api: WorkloadApi, open_source: OpenSource, code: int, kind: type[CertsError], text: str
) -> None:
    api.fail(code)
    with pytest.raises(kind, match=text):
        await open_source().obtain(None)


@real
async def test_a_final_status_ends_the_watch(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid())
    source = open_source(clock=Hurried())
    await source.obtain(None)
    api.fail(14)
    await asyncio.sleep(0.05)
    api.fail(12)
    with pytest.raises(SourceDenied, match="unimplemented"):
        await asyncio.wait_for(source.changed(), WITHIN_S)


@real
async def test_a_stream_that_ends_by_permission_denied_takes_the_svids_away(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    api.give(domain.svid())
    source = open_source(clock=Hurried())
    await source.obtain(None)
    api.fail(7)
    await asyncio.wait_for(source.changed(), WITHIN_S)
    with pytest.raises(IdentityWithdrawn):
        await source.obtain(None)
    # Asked anew the agent says it again, which may be a start of its own.
    with pytest.raises(SourceUnavailable):
        await source.obtain(None)
    watching = asyncio.create_task(source.changed())
    api.give(domain.svid())
    await asyncio.wait_for(watching, WITHIN_S)
    assert (await source.obtain(None)).spiffe_id == AGENT


@real
async def test_permission_denied_to_a_new_stream_takes_nothing_away(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    """An agent that just started says so, too, to whoever asks before it has its entries."""
    api.give(domain.svid())
    source = open_source(clock=Hurried())
    first = await source.obtain(None)
    api.kill()
    api.start()
    with pytest.raises(SourceUnavailable, match="permission denied"):
        await source.obtain(generation_of(first))
    watching = asyncio.create_task(source.changed())
    api.give(domain.svid())
    await asyncio.wait_for(watching, WITHIN_S)
    assert (await source.obtain(generation_of(first))).serial != first.serial


@real
async def test_tcp_works_as_well(domain: Domain) -> None:
    with WorkloadApi() as api:
        api.give(domain.svid())
        source = SpiffeSource(api.endpoint)
        assert (await source.obtain(None)).spiffe_id == AGENT
        await source.close()


@real
async def test_a_large_state_comes_whole(
    api: WorkloadApi, open_source: OpenSource, domain: Domain
) -> None:
    """Beyond HTTP/2's first window of 64 KiB."""
    api.give(*(domain.svid(f"{AGENT}/{number}") for number in range(120)))
    source = open_source(spiffe_id=f"{AGENT}/119")
    assert (await source.obtain(None)).spiffe_id == f"{AGENT}/119"


def spoilt(domain: Domain) -> dict[str, Svid]:
    good = domain.svid()
    return {
        "another key": replace(good, key=domain.svid().key),
        "another name": replace(good, spiffe_id=OTHER),
        "no name": replace(good, spiffe_id=""),
        "a domain's name": replace(good, spiffe_id="spiffe://acme.example"),
        "no key": replace(good, key=b""),
        "not a key": replace(good, key=b"\x30\x00"),
        "no certificate": replace(good, chain=b""),
        "not a certificate": replace(good, chain=b"\x30\x00"),
        "cut off": replace(good, chain=good.chain[:-1]),
        "no bundle": replace(good, bundle=b""),
        "a foreign bundle": replace(good, bundle=Domain().svid().bundle),
        "a leaf as the bundle": replace(good, bundle=good.chain),
        "the past": domain.svid(life=timedelta(seconds=-1)),
    }


@real
@pytest.mark.parametrize("name", spoilt(Domain()))
async def test_a_hostile_state_is_never_used(
    api: WorkloadApi, open_source: OpenSource, domain: Domain, name: str
) -> None:
    api.give(spoilt(domain)[name])
    with pytest.raises(ReplyRejected, match=r"^fetch: "):
        await open_source().obtain(None)


# Against what is none

#: HTTP/2, and then nonsense.
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


@asynccontextmanager
async def listening(path: Path, says: bytes) -> AsyncIterator[SpiffeSource]:
    """A source for a socket where `says` is answered to whatever comes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    source = SpiffeSource(UnixEndpoint(str(path)), step_timeout_s=0.2)
    yield source
    await source.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0" * 64,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        SETTINGS * 2 + b"\0" * 64,
    ],
)
async def test_another_protocol_is_told(tmp_path: Path, says: bytes) -> None:
    async with listening(tmp_path / "x.sock", says) as source:
        with pytest.raises(ReplyRejected, match="doesn't speak gRPC"):
            await source.obtain(None)


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def block(**fields: bytes) -> bytes:
    """A header block without Huffman's code or a table (RFC 7541 §6.2.2)."""
    named = [(name.replace("_", "-").replace("0", ":").encode(), fields[name]) for name in fields]
    return b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in named
    )


HEAD = {"0status": b"200", "content_type": b"application/grpc"}


async def test_a_status_of_any_bytes_is_told(tmp_path: Path) -> None:
    """HPACK carries what it likes (RFC 7541 §5.2); gRPC's message is nobody's but the sender's."""
    ending = block(**HEAD, grpc_status=b"14", grpc_message=b"\xff\xfe away")
    async with listening(tmp_path / "x.sock", SETTINGS + frame(1, ending, flags=5)) as source:
        with pytest.raises(SourceUnavailable, match=r"unavailable: .* away"):
            await source.obtain(None)


async def test_a_proxy_without_its_server_is_no_other_protocol(tmp_path: Path) -> None:
    says = SETTINGS + frame(1, block(**{**HEAD, "0status": b"503"}), flags=5)
    async with listening(tmp_path / "x.sock", says) as source:
        with pytest.raises(SourceUnavailable, match=r"unavailable: HTTP status 503"):
            await source.obtain(None)


async def test_what_is_pushed_is_not_taken(tmp_path: Path) -> None:
    """HTTP/2 lets a server send answers to what nobody asked (RFC 9113 §8.4)."""
    asked = block(
        **{"0method": b"GET", "0scheme": b"http", "0path": b"/", "0authority": b"localhost"}
    )
    pushed = frame(5, (2).to_bytes(4) + asked, flags=4)
    answer = frame(1, block(**HEAD), flags=4, stream=2) + frame(0, bytes(5), stream=2)
    async with listening(tmp_path / "x.sock", SETTINGS + pushed + answer) as source:
        with pytest.raises(ReplyRejected, match="doesn't speak gRPC"):
            await source.obtain(None)


async def test_who_asks_and_never_listens_holds_no_memory(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(SETTINGS)
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(frame(6, bytes(8), stream=0) * 1000)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_unix_server(serve, tmp_path / "x.sock")
    source = SpiffeSource(UnixEndpoint(str(tmp_path / "x.sock")), step_timeout_s=WITHIN_S)
    with pytest.raises(SourceUnavailable, match="doesn't listen"):
        await source.obtain(None)
    await source.close()
    server.close()
    await server.wait_closed()


async def test_a_silent_socket_is_given_up(tmp_path: Path) -> None:
    async with listening(tmp_path / "x.sock", b"") as source:
        with pytest.raises(SourceUnavailable, match=r"didn't answer in 0\.2 s"):
            await source.obtain(None)


async def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    source = SpiffeSource(UnixEndpoint(str(tmp_path / "absent.sock")))
    with pytest.raises(SourceUnavailable, match=r"connect: .*no such file") as caught:
        await source.obtain(None)
    assert "agent" in caught.value.hint
    source = SpiffeSource(UnixEndpoint("/" + "x" * 200))
    with pytest.raises(SourceUnavailable, match="path too long"):
        await source.obtain(None)


class Hurried:
    """A clock whose sleeps are short."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0.02)
