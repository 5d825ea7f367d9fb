"""The remote agent: a real MCP server behind TLS 1.3 with required client certificates.

`python -m gateway.demo.remote_agent --help`. It gets its own certificate from the issuer, renews it
while serving, and answers only callers whose certificate the issuer signed and whose request bears
the expected token.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import random
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from certs import tls_context
from certs.clock import SystemClock
from certs.generation import Generation
from certs.rotation import Rotation
from certs.sources.issuer import IssuerSource
from identity.fault import Fault
from identity.secret_stores.base import Secret

if TYPE_CHECKING:
    import socket

    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send

_START_DEADLINE_S: Final = 30.0


def require_token(application: ASGIApp, token: Secret) -> ASGIApp:
    """Answer 401 to every request that doesn't bear the token."""
    expected = f"Bearer {token.reveal()}".encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(sent, expected):
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"no token\n"})
                return
        await application(scope, receive, send)

    return guarded


class ServerCertificate:
    """The server's TLS context, kept in step with the generations of its identity."""

    def __init__(self) -> None:
        self.context: ssl.SSLContext | None = None
        self.spiffe_id = ""

    def publish(self, generation: Generation) -> None:
        """New handshakes use the new pair; the bundle is only ever added to."""
        self.spiffe_id = generation.spiffe_id
        if self.context is None:
            self.context = tls_context.server_context(client_bundle_pem=generation.bundle_pem)
            self.context.verify_mode = ssl.CERT_REQUIRED
        else:
            self.context.load_verify_locations(cadata=generation.bundle_pem.decode("ascii"))
        tls_context.load_key_pair(
            self.context, key_pem=generation.key_pem, chain_pem=generation.chain_pem
        )


def _announcing(config: uvicorn.Config, said: str) -> uvicorn.Server:
    """A server that says one line on standard output as soon as it listens."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(said, flush=True)  # noqa: T201 - a program

    return Announcing(config)


async def serve(arguments: argparse.Namespace) -> int:
    """Obtain a certificate, then serve until told to stop."""
    import uvicorn

    from gateway.demo.planner import mcp_application

    async def read_token() -> Secret:
        return Secret((await asyncio.to_thread(arguments.token_file.read_text)).strip())

    certificate = ServerCertificate()
    source = IssuerSource(url=arguments.issuer, ca_pin=arguments.ca_pin, read_token=read_token)
    rotation = Rotation(
        source, clock=SystemClock(), rng=random.SystemRandom(), publish=certificate.publish
    )
    renewing = asyncio.create_task(rotation.run())
    if not await rotation.wait_first(_START_DEADLINE_S) or certificate.context is None:
        print(f"remote agent: {rotation.state.reason}", file=sys.stderr)  # noqa: T201 - a program
        return 1
    context = certificate.context
    application = mcp_application()
    if arguments.require_token_file is not None:
        text = await asyncio.to_thread(arguments.require_token_file.read_text)
        application = require_token(application, Secret(text.strip()))
    host, _, port = arguments.listen.rpartition(":")
    config = uvicorn.Config(
        application,
        host=host,
        port=int(port),
        ssl_context_factory=lambda _config, _default: context,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    said = f"remote agent: serves https://{arguments.listen} as {certificate.spiffe_id}"
    await _announcing(config, said).serve()
    renewing.cancel()
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="remote_agent", description=__doc__)
    parser.add_argument("--issuer", required=True, help="URL of the issuer")
    parser.add_argument("--ca-pin", required=True, help="pin of the issuer's authority")
    parser.add_argument("--token-file", required=True, type=Path, help="file with a join token")
    parser.add_argument("--listen", default="127.0.0.1:8443", help="address:port to serve on")
    parser.add_argument(
        "--require-token-file", type=Path, help="file with the bearer token that callers must send"
    )
    try:
        return asyncio.run(serve(parser.parse_args(argv)))
    except Fault as fault:
        print(f"remote agent: {fault}\n{fault.hint}", file=sys.stderr)  # noqa: T201 - a program
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
