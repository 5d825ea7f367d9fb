"""What an upstream's HTTP status says of the way to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.data_plane.failure import Failure, explanation
from gateway.doctor.finding import Finding, Result
from gateway.doctor.message import Reply

_AUTHENTICATE: Final = "www-authenticate"
_MEANINGS: Final[Mapping[int, tuple[Result, str, str]]] = {
    403: (
        "fail",
        "it knows who asks, and refuses",
        "the agent's own rules have to allow this identity, or the token that is attached",
    ),
    407: (
        "fail",
        "a proxy in between wants credentials",
        "name the agent itself under upstream, or let the proxy leave it alone",
    ),
    421: (
        "fail",
        "it doesn't serve the name in Host",
        "name the upstream as it calls itself; addresses says where that is, if not in DNS",
    ),
    429: ("warn", "it is asked too often", "wait, or ask for a higher limit"),
}


def judge(reply: Reply, *, about: str, attaches: bool, rung: str = "http") -> Finding:
    """The finding for an answer. `attaches` tells whether the route attaches headers."""
    result, detail, remedy = _meaning(reply, attaches=attaches)
    reason = "upstream_status" if result != "pass" else ""
    return Finding(
        rung=rung, about=about, result=result, detail=detail, remedy=remedy, reason=reason
    )


def _meaning(reply: Reply, *, attaches: bool) -> tuple[Result, str, str]:
    status = reply.status
    if status == 401:
        return _unauthenticated(reply, attaches=attaches)
    if status in _MEANINGS:
        result, said, remedy = _MEANINGS[status]
        return result, f"answers {status}: {said}", remedy
    if status >= 500:
        detail = f"answers {status}: the way is good, and the agent itself fails"
        return "warn", detail, explanation("upstream_status").remedy
    return "pass", f"answers {status}", ""


def _unauthenticated(reply: Reply, *, attaches: bool) -> tuple[Result, str, str]:
    scheme = reply.headers.get(_AUTHENTICATE, "").partition(" ")[0]
    wants = f" ({scheme})" if scheme.isalnum() else ""
    if attaches:
        return (
            "fail",
            f"answers 401{wants}: the credential that the route attaches is not accepted",
            "set the secret, or mend the token source, that [routes.headers] refers to",
        )
    return (
        "warn",
        f"answers 401{wants}: it wants a credential, and the route attaches none",
        "attach one under [routes.headers], or let callers bring theirs with pass_headers",
    )


def missed(failure: Failure, *, about: str, rung: str) -> Finding:
    """The finding for a request or connection that failed, with the remedy of its reason."""
    told = explanation(failure.reason)
    return Finding(
        rung=rung,
        about=about,
        result="fail",
        detail=f"{told.title}: {failure.detail}" if failure.detail else told.title,
        remedy=told.remedy,
        reason=failure.reason,
    )
