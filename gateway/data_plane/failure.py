"""Why a request failed, and the one table that says of each reason what it means.

A reason with a status is answered with it; the others are how what had begun came to its end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.data_plane.wire.date import date_line

#: Addresses that a failure's text may name beside its own.
_MOST_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request.

    `reason` is a key of the table below and the word in logs and metrics; `detail` says what
    happened this time; neither holds header values or bodies.
    """

    reason: str
    detail: str
    retry_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Missed:
    """An address at which a connection could not be made; `label` is for the access log."""

    address: str
    failure: Failure
    label: bytes = b""


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    stage: str
    title: str
    remedy: str


_SEE_STATUS = "run `devwiz-gw status` to see the route and its last error"
_KINDS: Final[dict[str, _Kind]] = {
    "bad_request": _Kind(400, "request", "malformed HTTP request", "correct the client"),
    "unknown_host": _Kind(
        421,
        "request",
        "the Host header names another server",
        "address the gateway as 127.0.0.1 or localhost with its port, or list the name under "
        "the route's allowed_hosts",
    ),
    "foreign_origin": _Kind(
        403,
        "request",
        "the request comes from a foreign web origin",
        "a web page may not use this port unless the route's allowed_origins lists its origin",
    ),
    "caller_denied": _Kind(
        403,
        "caller",
        "this caller may not use the route",
        "without [[routes.allow]] only the user who runs the gateway may call; with it every "
        "caller must fit a rule, and a token is sent as X-Devwiz-Gw-Token: `devwiz-gw client print "
        "ROUTE --token NAME`",
    ),
    "peer_denied": _Kind(
        403,
        "caller",
        "this workload may not use the route",
        "whoever runs this gateway may add the SPIFFE id to the route's peer",
    ),
    "handshake_failed": _Kind(
        403,
        "caller",
        "a caller's TLS handshake failed",
        "callers of an ingress need TLS 1.3 and a certificate of the route's trust bundle",
    ),
    "no_oauth_metadata": _Kind(
        404,
        "request",
        "this route has no OAuth metadata for its clients",
        "the gateway holds the credentials; where clients get tokens themselves, write auth = "
        '"passthrough"',
    ),
    "bad_agent_card": _Kind(
        502,
        "response",
        "the agent's card can't be rewritten for local clients",
        'correct the card at the agent; with agent_card = "keep" clients get it as it is, and are '
        "led past the gateway",
    ),
    "refused_method": _Kind(
        403, "request", "this method is not forwarded", "send the request itself to this port"
    ),
    "bad_expectation": _Kind(
        417, "request", "the request expects what nobody can promise", "send Expect: 100-continue"
    ),
    "target_too_long": _Kind(
        414,
        "request",
        "the request's target is too long",
        "send a shorter one, or what it holds as a body, or raise max_head_bytes",
    ),
    "unknown_encoding": _Kind(
        501,
        "request",
        "the request's Transfer-Encoding is not known here",
        "send the body in chunks and nothing else, or with its length",
    ),
    "unknown_version": _Kind(
        505,
        "request",
        "the request's version of HTTP is not spoken here",
        "send HTTP/1.1 without TLS; a route of kind tcp carries HTTP/2 and gRPC",
    ),
    "head_too_large": _Kind(
        431,
        "request",
        "the request's head is too large",
        "send fewer or shorter headers, or raise max_head_bytes",
    ),
    "overloaded": _Kind(
        503,
        "listener",
        "there is more to do than the limits allow",
        "retry after a moment; the detail names the limit, see [limits] in the configuration",
    ),
    "draining": _Kind(503, "listener", "the gateway is shutting down", "retry when it is back"),
    "no_identity": _Kind(503, "identity", "there is no usable client certificate", _SEE_STATUS),
    "identity_expired": _Kind(
        503, "identity", "the client certificate has expired", "check that the issuer is reachable"
    ),
    "route_unavailable": _Kind(503, "route", "the route can't serve now", _SEE_STATUS),
    "unresolved": _Kind(
        502, "dns", "the upstream's name can't be resolved", "check the route's upstream name"
    ),
    "unreachable": _Kind(
        502, "connect", "the upstream can't be reached", "check that the upstream is running"
    ),
    "connect_timeout": _Kind(
        504, "connect", "the upstream did not accept in time", "check the network to the upstream"
    ),
    "tls_failed": _Kind(
        502,
        "tls",
        "the TLS handshake with the upstream failed",
        "the upstream must speak TLS 1.3 with a chain from the route's trust bundle",
    ),
    "tls_timeout": _Kind(
        504, "tls", "the TLS handshake was not finished in time", "check the upstream"
    ),
    "peer_rejected": _Kind(
        502,
        "peer",
        "the upstream's certificate has another name",
        "compare the route's peer (or server_name) with the names found",
    ),
    "certificate_refused": _Kind(
        502,
        "certificate",
        "the upstream refused the gateway's client certificate",
        "the upstream must trust the issuer's bundle and accept this identity; see `devwiz-gw "
        "status`",
    ),
    "upstream_closed": _Kind(
        502,
        "response",
        "the upstream closed the connection before answering",
        "check the upstream's log: it may have refused the client certificate so; a request that "
        "may have been processed is not repeated",
    ),
    "certificate_ended": _Kind(
        502,
        "certificate",
        "the certificate that the connection was made with has ended",
        "repeat the request: it gets a connection with the present certificate",
    ),
    "trust_withdrawn": _Kind(
        502,
        "peer",
        "the upstream is not trusted any more",
        "the route's trust bundle, revocation list or peer was changed; see `devwiz-gw status`",
    ),
    "bad_response": _Kind(
        502, "response", "the upstream's answer is not acceptable HTTP/1.1", "correct the upstream"
    ),
    "response_timeout": _Kind(
        504,
        "response",
        "the upstream did not answer in time",
        "check the upstream or raise response_timeout_s",
    ),
    "client_closed": _Kind(
        0,
        "caller",
        "the caller closed its connection before the end",
        "nothing, if it meant to; else look at its own time limits",
    ),
    "client_stalled": _Kind(
        0,
        "caller",
        "the caller took nothing of what was sent to it",
        "read faster, or raise idle_timeout_s",
    ),
    "foreign_protocol": _Kind(
        0,
        "caller",
        "the caller doesn't speak HTTP/2, and the route's alpn names nothing else",
        "speak HTTP/2 from the first byte, or leave alpn out; perhaps a web page was behind it",
    ),
    "upstream_stalled": _Kind(
        0, "response", "the upstream took nothing of what was sent to it", "check the upstream"
    ),
    "certificate_expired": _Kind(
        0,
        "certificate",
        "the connection ended with the certificate that it was made with",
        "connect again: that is with the present certificate",
    ),
    "revoked": _Kind(
        0,
        "peer",
        "the other side's certificate was revoked meanwhile",
        "nothing, if it is meant so; else check the revocation lists",
    ),
    "untrusted": _Kind(
        0,
        "peer",
        "the other side's authority is trusted no more",
        "nothing, if it is meant so; else check the trust bundle",
    ),
    "upstream_status": _Kind(
        0, "upstream", "the upstream answered with an error itself", "look at the upstream's log"
    ),
}
REASONS: Final = tuple(_KINDS)
_UNKNOWN: Final = _Kind(0, "unknown", "", "")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason means: the step that it belongs to, what happened, what to do."""

    stage: str
    title: str
    remedy: str


def explanation(reason: str) -> Explanation:
    """What the reason in an access-log line means; "" stands for an upstream's own error."""
    kind = _KINDS.get(reason or "upstream_status", _UNKNOWN)
    return Explanation(kind.stage, kind.title, kind.remedy)


#: How far an attempt to connect came, by the reason for which it ended; others come before these.
_GOT_TO: Final = ("unreachable", "connect_timeout", "tls_timeout", "tls_failed", "peer_rejected")


def most_telling(missed: Sequence[Missed]) -> Missed:
    """Of one upstream's addresses, none of which would do: the first of those that came farthest,
    with a failure that names the others too.
    """
    place = max(range(len(missed)), key=lambda index: (_got_to(missed[index].failure), -index))
    told = missed[place]
    others = [_named(other) for index, other in enumerate(missed) if index != place]
    if not others:
        return told
    detail = f"{told.failure.detail}; no better: {'; '.join(others[:_MOST_NAMED])}"
    if len(others) > _MOST_NAMED:
        detail += f" and {len(others) - _MOST_NAMED} more"
    return replace(told, failure=replace(told.failure, detail=detail))


def _named(missed: Missed) -> str:
    detail = missed.failure.detail
    return detail if missed.address in detail else f"{missed.address}: {detail}"


def _got_to(failure: Failure) -> int:
    return _GOT_TO.index(failure.reason) if failure.reason in _GOT_TO else -1


def is_server_fault(reason: str) -> bool:
    """Whether the failure lies behind the listener: worth showing as a route's last error."""
    kind = _KINDS.get(reason)
    return kind is not None and kind.status >= 500 and reason != "certificate_ended"


def status_of(failure: Failure) -> int:
    """The HTTP status that answers the failure."""
    return _KINDS[failure.reason].status


def problem_response(
    failure: Failure,
    *,
    now: float,
    request_id: bytes,
    route: str,
    with_body: bool,
    connection: bytes,
) -> bytes:
    """A whole problem+json response (RFC 9457) of `now`, in seconds since the epoch. `connection`
    is a Connection line or b"".
    """
    kind = _KINDS[failure.reason]
    status = status_of(failure)
    name = request_id.decode("ascii")
    body = (
        json.dumps(
            {
                "type": f"urn:devwiz-gw:problem:{failure.reason}",
                "title": kind.title,
                "status": status,
                "detail": failure.detail,
                "stage": kind.stage,
                "remedy": f"{kind.remedy}; `devwiz-gw explain {name}` tells more",
                "route": route,
                "request_id": name,
            },
            indent=1,
        ).encode()
        + b"\n"
    )
    retry = b"Retry-After: %d\r\n" % failure.retry_after_s if failure.retry_after_s else b""
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n"
        b"Cache-Control: no-store\r\nX-Request-Id: %b\r\n%b%b%b\r\n%b"
        % (
            status,
            _PHRASES[status],
            len(body),
            request_id,
            date_line(now),
            retry,
            connection,
            body if with_body else b"",
        )
    )


_PHRASES: Final = {
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    414: b"URI Too Long",
    417: b"Expectation Failed",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}
