"""An OAuth 2.0 token endpoint that is strict about what its specifications say a client sends."""

from __future__ import annotations

import base64
from urllib.parse import unquote_plus

from tests.fakes.http_thread import HttpThread, Reply, Request

CLIENT_ID = "gateway:1"
CLIENT_SECRET = "p w+%&/ß"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:"


class TokenEndpoint(HttpThread):
    """Knows one client, and exchanges the token "subject". Tokens are "issued-1", "issued-2", …

    Attributes:
        told: what its next answers say beside the token.
        client_secret: the client's.
        fails: a status that it answers instead, with `Retry-After: 7`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.issued = 0
        self.told: dict[str, object] = {"token_type": "Bearer", "expires_in": 3600}
        self.client_secret = CLIENT_SECRET
        self.fails = 0

    def answer(self, request: Request) -> Reply:
        assert (request.method, request.path) == ("POST", "/token")
        if self.fails:
            return Reply(status=self.fails, body={}, headers={"Retry-After": "7"})
        form = request.form
        if not self._is_client(request, form):
            return _refused("invalid_client", status=401)
        if form["grant_type"] == "client_credentials":
            return self._issue()
        if form["grant_type"] != EXCHANGE:
            return _refused("unsupported_grant_type")
        if form["subject_token"] != "subject" or form["subject_token_type"] != TYPE + "jwt":
            return _refused("invalid_request")
        return self._issue(issued_token_type=form.get("requested_token_type", TYPE + "jwt"))

    def _issue(self, **more: object) -> Reply:
        self.issued += 1
        token = {"access_token": f"issued-{self.issued}"}
        return Reply(body=token | more | self.told, headers={"Cache-Control": "no-store"})

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        """RFC 6749 section 2.3.1: by Basic, both parts form-encoded, or in the body; never both."""
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            return (form.get("client_id"), form.get("client_secret")) == (
                CLIENT_ID,
                self.client_secret,
            )
        assert scheme == "Basic"
        assert "client_secret" not in form
        name, _, secret = base64.b64decode(pair, validate=True).decode("ascii").partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, self.client_secret)


def _refused(error: str, *, status: int = 400) -> Reply:
    return Reply(status=status, body={"error": error, "error_description": "as the test says"})
