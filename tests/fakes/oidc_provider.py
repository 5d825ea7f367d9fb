"""An OpenID provider on loopback: discovery document, key set, and tokens with any claims."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.serving_thread import ServingThread


class OidcProvider(ServingThread):
    """Serves plain HTTP until it is closed. One RSA key, named `key_id`.

    `asked` has each path that was asked for and the Authorization header that came along;
    `answers` replaces documents: by a status, or by bytes.
    """

    def __init__(self) -> None:
        self.key_id = "idp-1"
        self.asked: list[tuple[str, str]] = []
        self.answers: dict[str, int | bytes] = {}
        self._key = rsa.generate_private_key(65537, 2048)
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answer(self.path, self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        super().__init__(server)

    def close(self) -> None:
        """Serve no more, where nothing was started: it goes on signing."""
        self._server.server_close()

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set."""
        key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
            self._key.public_key(), as_dict=True
        )
        return {"keys": [key | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def token(self, **claims: Any) -> str:
        """A token of this issuer."""
        headers = {"kid": self.key_id}
        return jwt.encode({"iss": self.issuer} | claims, self._key, "RS256", headers=headers)

    def rotate(self, key_id: str) -> None:
        """Sign with another key, and publish no other."""
        self.key_id = key_id
        self._key = rsa.generate_private_key(65537, 2048)

    def _answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        self.asked.append((path, authorization))
        scripted = self.answers.get(path)
        if isinstance(scripted, int):
            return scripted, b""
        if scripted is not None:
            return 200, scripted
        document = self._documents().get(path)
        return (200 if document else 404), json.dumps(document).encode()

    def _documents(self) -> dict[str, Any]:
        return {
            "/jwks": self.jwks,
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
        }
