"""A tcp route offers its upstream the application protocols that are configured, and no other."""

from __future__ import annotations

import ssl

import pytest

from tests.e2e.data_plane.conftest import StartLab
from tests.fakes.authority import Authority, server_context
from tests.fakes.scripted_upstream import Conversation
from tests.fakes.worker_rig import PEER


def telling(conversation: Conversation) -> None:
    agreed = conversation._tls.selected_alpn_protocol()
    conversation.send(str(agreed).encode())
    conversation.close()


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        (("h2",), ("h2", "http/1.1"), b"h2"),
        (("grpc-exp", "h2"), ("h2",), b"h2"),
        (("x-own",), ("h2", "x-own"), b"x-own"),
        ((), ("h2",), b"None"),
        (("x-own",), (), b"None"),
    ],
)
def test_what_is_agreed_on(
    lab: StartLab,
    authority: Authority,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    agreed: bytes,
) -> None:
    here = lab(telling, route={"kind": "tcp", "tls": {"alpn": ours}})
    here.upstream.context = server_context(
        authority.issue("localhost", PEER), authority, alpn=theirs
    )
    assert here.connect().read_to_end() == agreed


def test_http_is_always_http_1_1(lab: StartLab) -> None:
    agreed: list[str | None] = []

    def script(conversation: Conversation) -> None:
        agreed.append(conversation._tls.selected_alpn_protocol())
        conversation.read_head()
        conversation.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        conversation.wait_gone()

    here = lab(script)
    here.upstream.context.set_alpn_protocols(["h2", "http/1.1"])
    assert here.connect().get().status == 204
    assert agreed == ["http/1.1"]


def test_an_upstream_that_insists_on_another_is_not_reached(lab: StartLab) -> None:
    """The standard library's server goes on without an agreement; others, as here, refuse."""
    got: list[bytes] = []

    class Refusing(Conversation):
        def handshake(self) -> None:
            super().handshake()
            if self._tls.selected_alpn_protocol() is None:
                raise ssl.SSLError("no application protocol")

    here = lab(lambda conversation: got.append(conversation.read()), route={"kind": "tcp"})
    here.upstream.context.set_alpn_protocols(["h2"])
    here.upstream.conversation = Refusing
    client = here.connect()
    client.send(b"hello")
    with pytest.raises(ConnectionResetError):
        client.read_to_end()
    assert got == []
