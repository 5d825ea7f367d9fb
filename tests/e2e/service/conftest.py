"""A gateway process in front of an upstream that answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom both sides trust."""
    return Authority()


@pytest.fixture
def upstream(authority: Authority) -> Iterator[ScriptedUpstream]:
    """Echoes bodies over TLS 1.3 with client certificates."""
    context = server_context(authority.issue("localhost"), authority)
    with ScriptedUpstream(context, answering(echo)) as made:
        yield made


@pytest.fixture
def gateway(
    tmp_path: Path, authority: Authority, upstream: ScriptedUpstream
) -> Iterator[GatewayProcess]:
    """Configured, not started."""
    with ExitStack() as stack:
        yield stack.enter_context(GatewayProcess(tmp_path, authority, upstream_port=upstream.port))
