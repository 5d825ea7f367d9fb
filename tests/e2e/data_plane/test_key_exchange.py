"""Servers that know only one group: another one than was guessed costs a round trip, no failure."""

from __future__ import annotations

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import answering, echo
from tests.fakes.worker_rig import PEER


@pytest.mark.parametrize(
    ("curve", "shown"),
    [
        ("X25519", "x25519"),  # its share is in the first message
        ("prime256v1", "secp256r1"),  # HelloRetryRequest, RFC 8446 section 4.1.4
        ("secp384r1", "secp384r1"),
        ("secp521r1", "secp521r1"),
    ],
)
def test_the_group_is_agreed_and_shown(
    lab: StartLab, authority: Authority, curve: str, shown: str
) -> None:
    here = lab(answering(echo))
    context = server_context(authority.issue("localhost", PEER), authority)
    context.set_ecdh_curve(curve)
    here.upstream.context = context
    assert here.connect().post(b"x").body == b"x"
    assert here.worker.stats().tls_group.lower() == shown
