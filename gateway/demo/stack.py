"""The demonstration's parts, started and stopped together: issuer, remote agent, gateway."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from certs.issuer.folder import init
from certs.issuer.http import IssuerServer
from certs.issuer.one_time_tokens import Grant
from gateway.errors import StartFailed

TRUST_DOMAIN: Final = "demo.devwiz.example"
PEER: Final = f"spiffe://{TRUST_DOMAIN}/agent/planner"
_STOP_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running demonstration."""

    folder: Path
    config: Path
    admin_socket: Path
    gateway_port: int
    agent_port: int

    @property
    def url(self) -> str:
        """Where a local MCP client finds the remote agent."""
        return f"http://127.0.0.1:{self.gateway_port}/mcp"


@contextlib.asynccontextmanager
async def running(folder: Path, *, leaf_life: timedelta) -> AsyncIterator[Stack]:
    """Start everything in `folder`; stop it, children included, at the end.

    Raises:
        StartFailed: a part did not come up in time; its log is named.
    """
    async with contextlib.AsyncExitStack() as cleanup:
        issuer = await _start_issuer(folder, leaf_life)
        cleanup.push_async_callback(issuer.stop)
        agent_port, gateway_port = _free_port(), _free_port()
        (folder / "bearer").write_text(secrets.token_urlsafe(24))
        for workload in ("planner", "laptop"):
            grant = Grant(workload=workload, path=f"/agent/{workload}")
            token = await issuer.make_token(grant)
            (folder / f"{workload}.token").write_text(token.text.reveal())
        config = folder / "devwiz-gw.toml"
        config.write_text(_configuration(folder, issuer, agent_port, gateway_port))
        agent = await _start_agent(folder, issuer, agent_port)
        cleanup.push_async_callback(_stop, agent)
        await _until_listening(agent, agent_port, folder / "remote-agent.log")
        gateway = await _start_gateway(folder, config)
        cleanup.push_async_callback(_stop, gateway)
        yield Stack(
            folder=folder,
            config=config,
            admin_socket=folder / "admin.sock",
            gateway_port=gateway_port,
            agent_port=agent_port,
        )


async def _start_issuer(folder: Path, leaf_life: timedelta) -> IssuerServer:
    make = functools.partial(
        init, folder / "issuer", trust_domain=TRUST_DOMAIN, now=datetime.now(UTC)
    )
    await asyncio.to_thread(make)
    issuer = IssuerServer(folder / "issuer", leaf_life=leaf_life)
    await issuer.start()
    return issuer


def _configuration(folder: Path, issuer: IssuerServer, agent_port: int, gateway_port: int) -> str:
    bearer = (folder / "bearer").read_text()
    return f"""\
project = "demo"

[identity]
source = "issuer"

[identity.issuer]
url = "{issuer.url}"
ca_pin = "{issuer.ca_pin}"
token_file = "laptop.token"

[[routes]]
name = "planner"
listen = "127.0.0.1:{gateway_port}"
upstream = "https://127.0.0.1:{agent_port}"
peer = ["{PEER}"]

[routes.headers]
Authorization = "Bearer {bearer}"   # your own: "Bearer {{secret:planner-token}}"

[admin]
socket = "unix:admin.sock"
"""


async def _start_agent(folder: Path, issuer: IssuerServer, port: int) -> asyncio.subprocess.Process:
    with (folder / "remote-agent.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.demo.remote_agent",
            f"--issuer={issuer.url}",
            f"--ca-pin={issuer.ca_pin}",
            f"--token-file={folder / 'planner.token'}",
            f"--require-token-file={folder / 'bearer'}",
            f"--listen=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )


async def _start_gateway(folder: Path, config: Path) -> asyncio.subprocess.Process:
    with (folder / "gateway.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "serve",
            f"--config={config}",
            # The audit journal goes where everything else is, also where the home is read-only.
            env=os.environ | {"XDG_STATE_HOME": str(folder / "state")},
            stdout=log,
            stderr=log,
        )


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_DEADLINE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_listening(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    for _ in range(300):
        if process.returncode is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    said = await asyncio.to_thread(log.read_text)
    raise StartFailed("the remote agent did not start", hint=said[-2000:].strip())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def refused_without_certificate(port: int) -> str:
    """How the remote agent answers a caller that speaks TLS 1.3 and shows no certificate; "" if it
    answers at all.
    """
    return await asyncio.to_thread(_call_without_certificate, port)


def _call_without_certificate(port: int) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5.0) as plain,
            context.wrap_socket(plain) as tls,
        ):
            tls.sendall(b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            # In TLS 1.3 the verdict on a client's certificate comes with the first read.
            return "" if tls.recv(100) else "the connection is closed"
    except ssl.SSLError as error:
        return (error.reason or str(error)).replace("_", " ").lower()
    except OSError as error:
        return error.strerror or type(error).__name__
