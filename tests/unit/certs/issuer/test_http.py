"""The issuer's HTTPS interface, spoken to by a plain HTTP client over real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from certs import csr, keys, tls_context
from certs.bundle import TrustBundle
from certs.issuer import api as api_module
from certs.issuer import connections
from certs.issuer import http as http_module
from certs.issuer.ca_rotation import Phase
from certs.issuer.folder import init, open_issuer
from certs.issuer.http import IssuerNotStarted, IssuerServer
from certs.issuer.limits import Rates
from certs.issuer.news import News
from certs.issuer.one_time_tokens import Grant
from certs.issuer.policy import InvalidPolicy
from certs.issuer.server_identity import issuer_id
from tests.fakes.authority import Authority, client_context
from tests.fakes.issuer import PLANNER, TRUST_DOMAIN, ManualClock, audit_lines


@pytest.fixture
async def server(folder: Path, clock: ManualClock) -> AsyncIterator[IssuerServer]:
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    server = IssuerServer(folder, clock=clock)
    await server.start()
    yield server
    await server.stop()


class Client:
    """Talks to one issuer as anybody's HTTP client would."""

    def __init__(self, server: IssuerServer) -> None:
        self._server = server
        self.key = keys.generate()
        self.reply: dict[str, Any] = {}

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        """Status, headers, and the body: parsed JSON, or text."""
        context = tls_context.stranger_context()
        if self.reply and options.pop("show_certificate", True):
            tls_context.load_key_pair(
                context,
                key_pem=keys.to_pem(self.key),
                chain_pem=self.reply["chain_pem"].encode(),
            )
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.request(method, self._server.url + path, **options) as response,
        ):
            text = await response.text()
            parsed = json.loads(text) if "json" in response.content_type else text
            return response.status, response.headers, parsed

    async def join(self) -> None:
        token = (await self._server.make_token(Grant(workload="planner"))).text.reveal()
        body = {"token": token, "csr_pem": csr.build(self.key).decode()}
        status, _, self.reply = await self.call("POST", "/v1/join", json=body)
        assert status == 200

    async def renew(self, **options: Any) -> tuple[int, Any, Any]:
        self.next_key = keys.generate()
        body = {"csr_pem": csr.build(self.next_key).decode()}
        return await self.call("POST", "/v1/renew", json=body, **options)


async def test_join_and_renew_answer_with_chain_and_bundle(server: IssuerServer) -> None:
    client = Client(server)
    await client.join()
    assert (client.reply["generation"], client.reply["spiffe_id"]) == (1, PLANNER)
    status, headers, reply = await client.renew()
    assert (status, reply["generation"], reply["instance"]) == (200, 2, client.reply["instance"])
    assert headers["Cache-Control"] == "no-store"
    assert "Date" in headers
    assert reply["bundle_sequence"] == 1
    (root,) = TrustBundle.from_pem(reply["bundle_pem"].encode()).authorities
    assert keys.spki_pin(root) == server.ca_pin


async def test_renewal_without_a_certificate_is_refused(server: IssuerServer, folder: Path) -> None:
    client = Client(server)
    status, headers, problem = await client.renew()
    assert status == 401
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == "client_certificate_required"
    assert problem["status"] == 401
    assert problem["hint"]


async def test_an_expired_certificate_is_refused_in_the_handshake(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    await server.stop()
    short = IssuerServer(folder, clock=clock, leaf_life=timedelta(seconds=10))
    clock.pass_by(timedelta(seconds=-20))
    await short.start()
    client = Client(short)
    await client.join()
    with pytest.raises((aiohttp.ClientError, OSError)):
        await client.renew()
    await short.stop()
    assert [line["action"] for line in audit_lines(folder)] == ["token", "join"]


async def test_a_copied_certificate_is_found_out(server: IssuerServer) -> None:
    client = Client(server)
    await client.join()
    first_key, first_reply = client.key, client.reply
    for _ in range(2):
        _, _, reply = await client.renew()
        client.key, client.reply = client.next_key, reply
    client.key, client.reply = first_key, first_reply
    status, _, problem = await client.renew()
    assert (status, problem["code"]) == (403, "generation_mismatch")
    status, _, problem = await client.renew()
    assert (status, problem["code"]) == (403, "instance_locked")


async def test_the_bundle_is_versioned(server: IssuerServer) -> None:
    client = Client(server)
    status, headers, document = await client.call("GET", "/v1/bundle")
    assert (status, headers["ETag"], headers["Content-Type"]) == (200, '"1"', "application/json")
    assert document["spiffe_sequence"] == 1
    status, headers, text = await client.call(
        "GET", "/v1/bundle", headers={"If-None-Match": '"0", "1"'}
    )
    assert (status, text, headers["ETag"]) == (304, "", '"1"')
    status, headers, text = await client.call("GET", "/v1/bundle.pem")
    assert headers["Content-Type"] == "application/pem-certificate-chain"
    assert text.startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"token": "t"}',
        b'{"token": 1, "csr_pem": "x"}',
        b'{"token": "", "csr_pem": "x"}',
        b'{"token": "a", "token": "b", "csr_pem": "x"}',
        b"[" * 16_000,
        b'{"token": "t", "csr_pem": "\\ud800"}',
        b'{"token": "\\udfff", "csr_pem": "x"}',
        '{"token": "t", "csr_pem": "x"}'.encode("utf-16"),
        b'{"token": "\xed\xa0\x80", "csr_pem": "x"}',
        b'{"n": ' + b"9" * 5_000 + b', "token": "t", "csr_pem": "x"}',
    ],
    ids=[
        "empty",
        "array",
        "torn",
        "bytes",
        "missing",
        "number",
        "blank",
        "twice",
        "deep",
        "half CSR",
        "half token",
        "UTF-16",
        "surrogate in bytes",
        "endless number",
    ],
)
async def test_a_malformed_body_is_told(server: IssuerServer, body: bytes) -> None:
    status, _, problem = await Client(server).call("POST", "/v1/join", data=body)
    assert (status, problem["code"]) == (400, "malformed_request")


POST = b"POST /v1/join HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        POST + b"Content-Length: 2\r\nContent-Encoding: deflate\r\n\r\nxx",
        POST + b"Content-Length: 2\r\nContent-Encoding: br\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/bundle?wait=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/bundle HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ],
    ids=["chunk", "deflate", "brotli", "two lengths", "bytes", "headers", "no HTTP"],
)
async def test_what_is_not_http_is_told_and_fills_no_log(
    server: IssuerServer, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=tls_context.stranger_context()
    )
    with contextlib.suppress(OSError):
        writer.write(request_bytes)
        async with asyncio.timeout(20):
            assert b" 400 " in await reader.readuntil(b"\r\n")
    writer.close()
    await _closed(writer)
    assert not caplog.records


async def test_an_oversized_body_is_refused(server: IssuerServer) -> None:
    status, _, problem = await Client(server).call("POST", "/v1/join", data=b"x" * 20_000)
    assert (status, problem["code"]) == (413, "body_too_large")


async def test_other_paths_and_methods_are_told_as_problems(server: IssuerServer) -> None:
    status, _, problem = await Client(server).call("GET", "/elsewhere")
    assert (status, problem["code"]) == (404, "not_found")
    status, headers, problem = await Client(server).call("GET", "/v1/join")
    assert (status, problem["code"]) == (405, "method_not_allowed")
    assert headers["Server"] == "devwiz-gw-issuer"


@pytest.mark.parametrize("path", ["join", "renew", "renew-ended", "challenge"])
async def test_strangers_are_held_to_a_rate(server: IssuerServer, path: str) -> None:
    context = tls_context.stranger_context()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for _ in range(400):
            async with session.post(f"{server.url}/v1/{path}", data=b"") as response:
                if response.status == 429:
                    problem = await response.json(content_type="application/problem+json")
                    assert problem["code"] == "rate_limited"
                    assert int(response.headers["Retry-After"]) >= 1
                    return
    pytest.fail("400 requests at once were all answered")


async def test_tls_1_2_is_refused(server: IssuerServer) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", server.port, ssl=old)


async def test_who_is_refused_in_the_handshake_is_told_why(server: IssuerServer) -> None:
    old = tls_context.stranger_context()
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        await asyncio.open_connection("127.0.0.1", server.port, ssl=old)
    elsewhere = Authority()
    foreign = client_context(elsewhere.issue("spiffe://acme.example/planner"), elsewhere)
    foreign.check_hostname, foreign.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=foreign)
    with pytest.raises(ssl.SSLError, match="alert unknown ca"):
        await reader.read()
    writer.close()
    await _closed(writer)


async def test_who_stays_after_the_alert_is_closed_in_time(
    folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "_HANDSHAKE_DEADLINE_S", 0.2)
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    server = IssuerServer(folder, clock=clock)
    await server.start()
    for more in (b"", b"x" * 100):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
        decode_error = bytes([21, 3, 3, 0, 2, 2, 50])
        async with asyncio.timeout(20):
            assert await reader.readexactly(7) == decode_error
            writer.write(more)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        await _closed(writer)
    await server.stop()


async def test_a_body_that_never_ends_is_given_up(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "_BODY_DEADLINE_S", 0.05)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=tls_context.stranger_context()
    )
    writer.write(b"POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 400 " in head
    writer.close()
    await _closed(writer)


async def test_a_silent_connection_is_closed(
    folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LIFE_S", 0.05)
    await asyncio.to_thread(init, folder, trust_domain=TRUST_DOMAIN, now=clock.now())
    server = IssuerServer(folder, clock=clock)
    await server.start()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=tls_context.stranger_context()
    )
    writer.write(b"POST /v1/join HT")
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()
    await _closed(writer)
    await server.stop()


async def test_connections_are_bounded(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 0)
    with pytest.raises((aiohttp.ClientError, OSError)):
        await Client(server).call("GET", "/v1/bundle")


async def connect(server: IssuerServer, address: str) -> asyncio.StreamWriter | None:
    """A connection from an address of this machine, or None where it is refused."""
    try:
        _, writer = await asyncio.open_connection(
            "127.0.0.1",
            server.port,
            ssl=tls_context.stranger_context(),
            local_addr=(address, 0),
        )
    except OSError:
        return None
    return writer


async def ended(opened: Sequence[asyncio.StreamWriter | None]) -> None:
    for writer in opened:
        if writer is not None:
            writer.close()
            await _closed(writer)


async def connected_at_last(server: IssuerServer, address: str) -> asyncio.StreamWriter:
    async with asyncio.timeout(20):
        while (writer := await connect(server, address)) is None:
            await asyncio.sleep(0.01)
    return writer


async def test_one_address_cant_take_all_connections(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_OF_ONE_NETWORK", 2)
    greedy = [await connect(server, "127.0.0.1") for _ in range(2)]
    assert None not in greedy
    assert await connect(server, "127.0.0.1") is None
    other = await connect(server, "127.0.0.2")
    assert other is not None
    # Who has gone makes room.
    await ended(greedy[:1])
    await ended([greedy[1], other, await connected_at_last(server, "127.0.0.1")])


async def test_who_says_nothing_counts_too(
    server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_OF_ONE_NETWORK", 2)
    silent = [
        (await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.1", 0)))[1]
        for _ in range(2)
    ]
    assert await connect(server, "127.0.0.1") is None
    await ended([await connected_at_last(server, "127.0.0.2")])
    await ended(silent)
    await ended([await connected_at_last(server, "127.0.0.1")])


async def test_a_taken_port_is_told_and_nothing_is_left_open(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    second = IssuerServer(folder, port=server.port, clock=clock)
    with pytest.raises(IssuerNotStarted, match="can't listen"):
        await second.start()
    assert (await Client(server).call("GET", "/v1/bundle"))[0] == 200


async def test_a_life_out_of_range_is_refused_at_start(server: IssuerServer, folder: Path) -> None:
    with pytest.raises(InvalidPolicy):
        await IssuerServer(folder, leaf_life=timedelta(seconds=1)).start()


async def test_the_client_can_check_the_server_by_name(server: IssuerServer, folder: Path) -> None:
    root = await asyncio.to_thread((folder / "authorities/1/root.crt").read_bytes)
    context = tls_context.client_context(bundle_pem=root, server_id=issuer_id(TRUST_DOMAIN))
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    writer.close()
    await _closed(writer)
    by_host = ssl.create_default_context(cadata=root.decode())
    for name in ("localhost", "127.0.0.1"):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=by_host, server_hostname=name
        )
        writer.close()
        await _closed(writer)


async def test_a_plain_http_request_gets_no_answer(server: IssuerServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(plain, b"GET / HTTP/1.1\r\n\r\n")
        answer = await asyncio.get_running_loop().sock_recv(plain, 4096)
    assert b"HTTP" not in answer


async def _closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def rotate(folder: Path, clock: ManualClock, *phases: Phase) -> None:
    """What `issuer rotate-ca` does in another process."""
    opened = open_issuer(folder)
    for phase in phases:
        opened.rotation.enter(phase, clock.now())
    opened.service.close()


async def test_a_request_waits_for_the_next_version_of_the_bundle(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    client = Client(server)
    asked = asyncio.create_task(client.call("GET", "/v1/bundle?after=1"))
    await client.call("GET", "/v1/bundle")  # The first one is there as well by now.
    assert not asked.done()
    await asyncio.to_thread(rotate, folder, clock, Phase.INIT)
    async with asyncio.timeout(20):
        status, headers, document = await asked
    assert (status, headers["ETag"]) == (200, '"2"')
    assert document["spiffe_sequence"] == 2
    assert len(document["keys"]) == 2


async def test_a_crowd_that_waits_is_answered_whole(
    server: IssuerServer, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the worker would take at once."""
    made: list[News] = []

    def noted() -> News:
        made.append(News())
        return made[-1]

    monkeypatch.setattr(http_module, "News", noted)
    crowded = IssuerServer(folder, clock=clock)
    await crowded.start()
    connector = aiohttp.TCPConnector(ssl=tls_context.stranger_context(), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(50):

        async def ask() -> tuple[int, str | None]:
            async with session.get(f"{crowded.url}/v1/bundle?after=1") as response:
                return response.status, response.headers.get("ETag")

        asked = [asyncio.create_task(ask()) for _ in range(150)]
        while sum(news._waiting for news in made) < len(asked):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(rotate, folder, clock, Phase.INIT)
        assert set(await asyncio.gather(*asked)) == {(200, '"2"')}
    await crowded.stop()


async def test_who_knows_the_newest_version_waits_though_the_news_are_not_out(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    client = Client(server)
    await client.join()
    await asyncio.to_thread(rotate, folder, clock, Phase.INIT)
    _, _, reply = await client.renew()
    asked = asyncio.create_task(client.call("GET", "/v1/bundle?after=2", show_certificate=False))
    assert reply["bundle_sequence"] == 2
    for _ in range(3):
        await client.call("GET", "/v1/bundle", show_certificate=False)
    assert not asked.done()
    await asyncio.to_thread(rotate, folder, clock, Phase.ROLLBACK)
    async with asyncio.timeout(20):
        _, headers, _ = await asked
    assert headers["ETag"] == '"3"'


async def test_a_wait_without_news_ends_with_the_same_version(server: IssuerServer) -> None:
    client = Client(server)
    status, _, document = await client.call("GET", "/v1/bundle?after=1&wait=0")
    assert (status, document["spiffe_sequence"]) == (200, 1)
    status, _, _ = await client.call(
        "GET", "/v1/bundle.pem?after=1&wait=0", headers={"If-None-Match": '"1"'}
    )
    assert status == 304


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=1&wait=1e3", f"after={'9' * 30}"])
async def test_a_wait_that_is_none_is_refused(server: IssuerServer, query: str) -> None:
    status, _, problem = await Client(server).call("GET", f"/v1/bundle?{query}")
    assert (status, problem["code"]) == (400, "malformed_request")


async def test_waiting_requests_dont_hold_up_the_end(server: IssuerServer) -> None:
    client = Client(server)
    asked = asyncio.create_task(client.call("GET", "/v1/bundle?after=1"))
    await client.call("GET", "/v1/bundle")
    await server.stop()
    status, _, document = await asked
    assert (status, document["spiffe_sequence"]) == (200, 1), "answered, not cut off"


async def test_the_own_certificate_follows_the_phase(
    server: IssuerServer, folder: Path, clock: ManualClock
) -> None:
    client = Client(server)
    await client.join()
    issuers = []
    for phase in (Phase.INIT, Phase.UPDATE_CLIENTS, Phase.UPDATE_SERVERS, Phase.STANDBY):
        await asyncio.to_thread(rotate, folder, clock, phase)
        status, _, reply = await client.renew()
        assert status == 200
        client.key, client.reply = client.next_key, reply
        issuers.append((await shown_issuer(server), issuer_of(reply["chain_pem"])))
    one, two = "CN=acme.example issuing", "CN=acme.example issuing 2"
    assert issuers == [(one, one), (one, two), (two, two), (two, two)]


async def shown_issuer(server: IssuerServer) -> str:
    """Who signed the certificate that the issuer's server shows."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=tls_context.stranger_context()
    )
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(der).issuer.rfc4514_string()


def issuer_of(chain_pem: str) -> str:
    return x509.load_pem_x509_certificates(chain_pem.encode())[0].issuer.rfc4514_string()


async def test_a_reply_says_when_to_renew_and_the_window_can_be_asked_for(
    server: IssuerServer, clock: ManualClock
) -> None:
    client = Client(server)
    await client.join()
    half = clock.now() + timedelta(minutes=30)
    window = {
        "start": half.isoformat(),
        "end": (half + timedelta(minutes=6)).isoformat(),
    }
    assert (client.reply["renew_window"], client.reply["retry_after"]) == (window, 180)
    status, headers, advice = await client.call("GET", "/v1/renew-window")
    assert (status, headers["Retry-After"]) == (200, "180")
    assert advice == {"renew_window": window, "retry_after": 180}
    status, _, problem = await client.call("GET", "/v1/renew-window", show_certificate=False)
    assert (status, problem["code"]) == (401, "client_certificate_required")


async def test_the_window_cant_be_asked_for_without_end(
    folder: Path, clock: ManualClock, server: IssuerServer
) -> None:
    strict = IssuerServer(folder, clock=clock, rates=Rates(instance=1))
    await strict.start()
    client = Client(strict)
    await client.join()
    context = tls_context.stranger_context()
    tls_context.load_key_pair(
        context, key_pem=keys.to_pem(client.key), chain_pem=client.reply["chain_pem"].encode()
    )
    statuses: set[int] = set()
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(30):
        while 429 not in statuses:
            async with session.get(f"{strict.url}/v1/renew-window") as response:
                statuses.add(response.status)
    assert statuses == {200, 429}
    await strict.stop()
