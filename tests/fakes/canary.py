"""Two clients behind one upstream, one of them or the upstream hostile: what the other one asks and
gets must be what it would be without.
"""

from __future__ import annotations

import re

import h11

from tests.fakes.h11_reader import Message, read_response
from tests.fakes.relay import FarEnd, Relay, Upstream
from tests.fakes.two_requests import DATE, REFUSALS, VICTIM, expected

_WARM = b"GET /warm HTTP/1.1\r\nHost: h\r\n\r\n"
_ASK = b"GET /victim HTTP/1.1\r\nHost: h\r\n\r\n"
_INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)[0-9][0-9] ")
#: How a client finds what it got of a hostile upstream's response.
WHOLE, REFUSED, CUT, OPEN = "whole", "refused", "cut", "open"


# -- a hostile client ------------------------------------------------------------------------------


def check_requests(pieces: list[bytes]) -> None:
    """The upstream gets exactly the requests that the stream holds, an independent reader finds
    the same ones in them, and another client's request behind them arrives untouched.
    """
    with Relay() as relay:
        attacker = relay.connect()
        attacker.send(*pieces)
        wanted = expected(b"".join(pieces), relay.rules)
        assert tuple(request.raw for request in relay.served) == wanted.sent
        answers = b"".join(wanted.answers)
        answered = attacker.take()
        assert answered.startswith(answers)
        refusal = answered.removeprefix(answers)
        assert refusal.startswith(REFUSALS) if refusal else not wanted.refuses
        attacker.close()
        _check_upstreams(relay, begun=wanted.begins)
        _check_victim(relay)
        _check_upstreams(relay, begun=wanted.begins)


def _check_upstreams(relay: Relay, *, begun: bool) -> None:
    """What was begun and not ended is on a connection of its own, which is over."""
    for upstream in relay.upstreams:
        assert not upstream.reader.problem
        assert upstream.reader.is_between_requests or (begun and upstream.ended)


def _check_victim(relay: Relay) -> None:
    wanted = expected(VICTIM, relay.rules)
    victim = relay.connect()
    victim.send(VICTIM)
    assert victim.take() == b"".join(wanted.answers)
    served = relay.served[-1]
    assert (served.raw,) == wanted.sent
    assert (served.method, served.target, served.body) == (b"POST", b"/victim", b"victim")


# -- a hostile upstream ----------------------------------------------------------------------------


def answer(body: bytes) -> bytes:
    """An honest response."""
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (DATE, len(body), body)


def check_responses(method: bytes, pieces: list[bytes]) -> tuple[str, bool]:
    """A client gets its own response whole or can tell that it isn't, and the next client gets its
    own: how the first one found what it got, and whether the connection was used again.
    """
    with Relay(answers=False) as relay:
        client, victim = relay.connect(), relay.connect()
        exchange(relay, client, _WARM, answer(b"/warm"))
        assert client.take() == answer(b"/warm")
        request = b"%b /attack HTTP/1.1\r\nHost: h\r\n\r\n" % method
        attacked = exchange(relay, client, request, *pieces)
        how, _ = what_came(client.take(), method, client.ended)
        used = exchange(relay, victim, _ASK, answer(b"/victim"))
        assert victim.take() == answer(b"/victim")
        assert client.take() == b""
        kept = used is attacked
        if not kept and how != OPEN:
            attacked.take()
            assert attacked.ended
        assert how == WHOLE or not kept
        return how, kept


def exchange(relay: Relay, client: FarEnd, request: bytes, *pieces: bytes) -> Upstream:
    """The client asks, and the upstream's connection that got it answers; which one that was."""
    client.send(request)
    (upstream,) = [upstream for upstream in relay.upstreams if upstream.take()]
    upstream.send(*pieces)
    return upstream


def what_came(got: bytes, method: bytes, ended: str) -> tuple[str, Message | None]:
    """How a client finds what it got, and the final response that an independent reader finds."""
    got = without_interim(got)
    if got.startswith(b"HTTP/1.1 502 "):
        return REFUSED, None
    try:
        return WHOLE, read_response(got, method=method, closed=bool(ended))
    except (h11.RemoteProtocolError, AssertionError):
        return (CUT if ended else OPEN), None


def without_interim(responses: bytes) -> bytes:
    """What stands behind the interim responses."""
    while _INTERIM.match(responses):
        responses = responses.partition(b"\r\n\r\n")[2]
    return responses
