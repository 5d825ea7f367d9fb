"""Identity tokens from an address and from a program."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from certs.errors import CertsError, SourceDenied, SourceUnavailable
from certs.sources import identity_tokens
from certs.sources.identity_tokens import token_from_command, token_from_url
from certs.sources.token_url import is_token_url
from identity.secret_stores.base import Secret
from tests.fakes.scripted_upstream import wait_until

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        application = web.Application()
        application.router.add_get("/token", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}/token"

    yield start
    for runner in runners:
        await runner.cleanup()


async def bearer() -> Secret:
    return Secret("request-token\n")


async def test_a_token_as_text_or_as_a_member(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Metadata-Flavor"] == "Google"
        assert request.query["audience"] == "gw"
        if request.headers.get("Authorization") == "Bearer request-token":
            return web.json_response({"count": 1, "value": "a.b.c"})
        return web.Response(text=" d.e.f\n")

    url = f"{await serve(answer)}?audience=gw"
    headers = {"Metadata-Flavor": "Google"}
    assert (await token_from_url(url, headers=headers)()).reveal() == "d.e.f"
    read = token_from_url(url, headers=headers, member="value", read_bearer=bearer)
    assert (await read()).reveal() == "a.b.c"


@pytest.mark.parametrize(
    ("response", "kind", "said"),
    [
        (lambda: web.Response(status=503), SourceUnavailable, "status 503"),
        (lambda: web.Response(status=429), SourceUnavailable, "status 429"),
        (lambda: web.Response(status=404), SourceDenied, "status 404"),
        (
            lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
            SourceDenied,
            "status 302",
        ),
        (lambda: web.Response(text=""), SourceDenied, "not a token"),
        (lambda: web.Response(text="x" * 20_000), SourceDenied, "larger than"),
        (lambda: web.Response(body=b"\xff"), SourceDenied, "not a token"),
    ],
)
async def test_an_answer_that_is_none(
    serve: Serve, response: Callable[[], web.Response], kind: type[CertsError], said: str
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return response()

    with pytest.raises(kind, match=said):
        await token_from_url(await serve(answer), headers={})()


@pytest.mark.parametrize("body", ["[]", "{}", '{"value": 7}', "x", '{"value": "a", "value": "b"}'])
async def test_a_member_that_is_not_there(serve: Serve, body: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    with pytest.raises(SourceDenied, match="text 'value'"):
        await token_from_url(await serve(answer), headers={}, member="value")()


async def test_a_bearer_token_that_no_header_holds_is_told_without_it(serve: Serve) -> None:
    async def two_lines() -> Secret:
        return Secret("hunter2\nhunter3\n")

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="a.b.c")

    read = token_from_url(await serve(answer), headers={}, read_bearer=two_lines)
    with pytest.raises(SourceDenied, match="no header can hold") as caught:
        await read()
    assert "hunter" not in f"{caught.value}{caught.value.hint}"


async def test_nobody_there_is_worth_another_try() -> None:
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        await token_from_url("http://127.0.0.1:1/token", headers={})()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://idp.example/token?x=y", True),
        ("http://127.0.0.1:8080/", True),
        ("http://[::1]/", True),
        ("http://169.254.169.254/latest", True),
        ("http://metadata.google.internal/x", True),
        ("http://idp.example/token", False),
        ("http://10.0.0.1/", False),
        ("https://user:x@idp.example/", False),
        ("https://idp.example/#x", False),
        ("file:///etc/passwd", False),
        ("token", False),
        ("http://[", False),
    ],
)
def test_where_a_token_may_be_asked_for(url: str, expected: bool) -> None:
    assert is_token_url(url) is expected
    if not expected:
        with pytest.raises(CertsError):
            token_from_url(url, headers={})


pytest_blocking = pytest.mark.may_block("a program is started")


@pytest_blocking
async def test_a_program_prints_it() -> None:
    read = token_from_command([sys.executable, "-c", "print('a.b.c')"])
    assert (await read()).reveal() == "a.b.c"
    code = 'print(\'{"access_token": "x", "id_token": "d.e.f"}\')'
    read = token_from_command([sys.executable, "-c", code], member="id_token")
    assert (await read()).reveal() == "d.e.f"


@pytest_blocking
@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("import sys; print('t'); sys.exit(3)", SourceUnavailable, "exit code 3"),
        ("print('x' * 100_000)", SourceDenied, "more than 16384"),
        ("print()", SourceDenied, "not a token"),
    ],
)
async def test_a_program_that_fails_is_told(code: str, kind: type[CertsError], said: str) -> None:
    with pytest.raises(kind, match=said):
        await token_from_command([sys.executable, "-c", code])()


@pytest_blocking
async def test_a_program_that_isnt_there_is_told() -> None:
    for path in ("/nowhere/program", "no-program-of-this-name"):
        with pytest.raises(SourceDenied, match="can't be run"):
            await token_from_command([path])()


@pytest_blocking
async def test_a_program_is_found_by_its_name_where_this_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tells"
    program.write_text("#!/bin/sh\necho $PREFIX.$(cat token)\n")
    program.chmod(0o700)
    (tmp_path / "token").write_text("b.c")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PREFIX", "a")
    monkeypatch.chdir(tmp_path)
    assert (await token_from_command(["tells"])()).reveal() == "a.b.c"
    assert (await token_from_command(["./tells"])()).reveal() == "a.b.c"


@pytest_blocking
async def test_a_program_that_others_can_replace_is_not_run(tmp_path: Path) -> None:
    program, ran = tmp_path / "tells", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\necho a.b.c\n")
    program.chmod(0o722)
    with pytest.raises(SourceDenied, match="others than its owner") as caught:
        await token_from_command([str(program)])()
    assert caught.value.hint == f"chmod go-w {program}"
    assert not ran.exists()


@pytest_blocking
async def test_a_program_that_hangs_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_tokens, "_TIMEOUT_S", 1.0)
    file = tmp_path / "pid"
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(SourceUnavailable, match="didn't finish"):
        await token_from_command([sys.executable, "-c", code])()
    if file.exists():
        pid = int(file.read_text())
        wait_until(lambda: not _runs(pid), deadline_s=20)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except OSError:
        return False
