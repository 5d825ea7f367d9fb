"""A gateway whose secrets are in a real Secret Service, in front of an upstream that answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.refusing_upstream import RevokingUpstream
from tests.fakes.scripted_upstream import Conversation, ScriptedUpstream, answering, echo
from tests.fakes.secret_service import gnome_keyring, session_bus
from tests.fakes.supabase_auth import KEY, SupabaseAuth
from tests.fakes.token_endpoint import CLIENT_ID, TokenEndpoint


@pytest.fixture
def server() -> Iterator[SupabaseAuth]:
    """The project's Auth server."""
    with SupabaseAuth() as made:
        yield made


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom both sides trust."""
    return Authority()


@pytest.fixture
def idp() -> Iterator[TokenEndpoint]:
    """An OAuth token endpoint."""
    with TokenEndpoint() as made:
        yield made


@pytest.fixture
def revoking() -> RevokingUpstream:
    """Knows the first token that the endpoint gives."""
    return RevokingUpstream("issued-1")


@pytest.fixture
def oauth_gateway(
    tmp_path: Path, authority: Authority, revoking: RevokingUpstream, idp: TokenEndpoint
) -> Iterator[GatewayProcess]:
    """Two workers, which attach the endpoint's tokens for that upstream; not started."""
    context = server_context(authority.issue("localhost"), authority)
    idp.client_secret = "p w+%&/"
    secret = tmp_path / "client-secret"
    secret.touch(0o600)
    secret.write_text(idp.client_secret)
    with (
        ScriptedUpstream(context, revoking) as behind,
        GatewayProcess(tmp_path, authority, upstream_port=behind.port) as made,
    ):
        made.configure(
            more=f"""
[routes.headers]
Authorization = "Bearer {{token:idp}}"
[tokens.idp]
source = "client-credentials"
token_url = "{idp.url}/token"
client_id = "{CLIENT_ID}"
client_secret_file = "client-secret"
"""
        )
        made.write_config(made.config.read_text().replace("[limits]", "[limits]\nworkers = 2"))
        yield made


@pytest.fixture
def upstream(authority: Authority) -> Iterator[ScriptedUpstream]:
    """Echoes bodies over TLS 1.3 with client certificates; an idle connection is closed."""
    context = server_context(authority.issue("localhost"), authority)
    script = answering(echo)

    def until_idle(conversation: Conversation) -> None:
        with suppress(TimeoutError):
            script(conversation)

    with ScriptedUpstream(context, until_idle) as made:
        yield made


@pytest.fixture
def gateway(
    tmp_path: Path, authority: Authority, upstream: ScriptedUpstream, server: SupabaseAuth
) -> Iterator[GatewayProcess]:
    """Configured with a token of the project, not started."""
    with (
        session_bus(tmp_path) as bus,
        gnome_keyring(bus),
        GatewayProcess(tmp_path, authority, upstream_port=upstream.port) as made,
    ):
        made.env |= bus.env
        made.configure(
            more=f"""
[routes.headers]
Authorization = "Bearer {{token:supabase}}"
[tokens.supabase]
source = "supabase"
url = "{server.url}"
publishable_key = "{KEY}"
"""
        )
        yield made
