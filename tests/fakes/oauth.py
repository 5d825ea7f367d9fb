"""An MCP server that takes only its own tokens, and the authorization server that gives them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "granted-Zk3"
METADATA = "/.well-known/oauth-protected-resource"


class AuthorizationServer:
    """Says yes to everybody.

    Attributes:
        resources: for which a token was asked for.
    """

    def __init__(self) -> None:
        self.resources: list[str] = []
        self.application = Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/register", self._register, methods=["POST"]),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _metadata(self, request: Request) -> Response:
        own = str(request.base_url).rstrip("/")
        return JSONResponse(
            {
                "issuer": own,
                "authorization_endpoint": f"{own}/authorize",
                "token_endpoint": f"{own}/token",
                "registration_endpoint": f"{own}/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _register(self, request: Request) -> Response:
        return JSONResponse({**await request.json(), "client_id": "client"}, status_code=201)

    async def _authorize(self, request: Request) -> Response:
        query = urlencode({"code": "code", "state": request.query_params["state"]})
        return RedirectResponse(f"{request.query_params['redirect_uri']}?{query}")

    async def _token(self, request: Request) -> Response:
        asked = dict(parse_qsl((await request.body()).decode()))
        self.resources.append(asked.get("resource", ""))
        return JSONResponse({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})


class GuardedServer:
    """An MCP server as an ASGI application, which tells where to get a token for it.

    Attributes:
        asked: paths of the requests that had no token.
        place: where the metadata are.
    """

    def __init__(self, application: ASGIApp, login: str) -> None:
        self.asked: list[str] = []
        self.place = f"{METADATA}/mcp"
        self._application = application
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers: dict[bytes, bytes] = dict(scope.get("headers", []))
        if scope["type"] != "http" or headers.get(b"authorization") == f"Bearer {TOKEN}".encode():
            await self._application(scope, receive, send)
            return
        self.asked.append(scope["path"])
        own = f"https://{headers[b'host'].decode()}"
        await self._answer(scope["path"], own)(scope, receive, send)

    def _answer(self, path: str, own: str) -> Response:
        if path == self.place:
            document: dict[str, Any] = {
                "resource": f"{own}/mcp",
                "authorization_servers": [self._login],
            }
            return Response(json.dumps(document), media_type="application/json")
        if path != "/mcp":
            return Response(status_code=404)
        challenge = f'Bearer error="invalid_token", resource_metadata="{own}{self.place}"'
        return JSONResponse({"error": "no"}, 401, headers={"WWW-Authenticate": challenge})
