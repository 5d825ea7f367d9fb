"""No session of an ingress is resumed: each connection proves its certificate anew."""

from __future__ import annotations

import ssl
import time
from datetime import timedelta

import pytest

from tests.e2e.data_plane.conftest import CALLER, StartDoor
from tests.fakes.authority import Authority, client_context
from tests.fakes.scripted_upstream import answering, digest


def test_a_caller_that_tries_gets_a_whole_handshake(door: StartDoor, authority: Authority) -> None:
    here = door(answering(digest))
    context = client_context(authority.issue(CALLER), authority)
    first = here.call(context=context)
    assert first.get().status == 200  # tickets come with the first read
    session = first.tls.session
    assert session is not None
    second = here.call(context=context, session=session)
    assert second.get().status == 200
    assert not second.tls.session_reused
    here.worker.rotate()
    third = here.call(context=context, session=session)
    assert third.get().status == 200
    assert not third.tls.session_reused


def test_a_session_does_not_outlive_its_certificate(door: StartDoor, authority: Authority) -> None:
    here = door(answering(digest))
    leaf = authority.issue(CALLER, ends=timedelta(seconds=2))
    context = client_context(leaf, authority)
    first = here.call(context=context)
    assert first.get().status == 200
    session = first.tls.session
    # A certificate is good through the second that it names (RFC 5280 section 4.1.2.5).
    time.sleep(max(0.0, leaf.not_after + 1.1 - time.time()))
    late = here.call(context=context, session=session)
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.expired"):
        late.read_to_end()
    assert not late.tls.session_reused
    assert len(here.agent.requests) == 1
