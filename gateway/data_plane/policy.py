"""Which local caller may use a route. Pure.

Whoever reaches the port wields the certificate and the tokens, so without rules only the user who
runs the gateway may.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from gateway.ipc.snapshot import AllowSpec


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a caller may use a route.

    `denied` is the kind of refusal, "" for none, and `why` says it in words; `rule` is the one that
    lets the caller in.
    """

    denied: str = ""
    why: str = ""
    rule: AllowSpec | None = None


def judge(
    rules: tuple[AllowSpec, ...],
    *,
    uid: int | None,
    exe: Callable[[], str],
    token: bytes,
    own_uid: int,
) -> Verdict:
    """Whether the caller may use the route.

    A rule allows when everything that it asks for is so. `uid` None means that the system doesn't
    tell; `exe` is asked only where a rule needs it; `token` is what the caller sent, b"" for none.
    """
    if not rules:
        if uid is None:
            why = "the caller's user can't be known here, and no token is configured"
            return Verdict("unknown_user", why)
        if uid == own_uid:
            return Verdict()
        return Verdict("other_user", f"the caller is user {uid}, and user {own_uid} may")
    for rule in rules:
        if _allows(rule, uid, exe, token):
            return Verdict(rule=rule)
    who = "an unknown user" if uid is None else f"user {uid}"
    if not token:
        return Verdict("no_rule", f"no rule allows the caller, {who} without a token")
    known = any(rule.token and _is_token(token, rule.token_sha256) for rule in rules)
    how = "a token of a rule that asks for more" if known else "a token that no rule knows"
    return Verdict("bad_token", f"no rule allows the caller, {who} with {how}")


def _allows(rule: AllowSpec, uid: int | None, exe: Callable[[], str], token: bytes) -> bool:
    if rule.uid is not None and rule.uid != uid:
        return False
    if rule.token and not _is_token(token, rule.token_sha256):
        return False
    return not rule.exe or rule.exe == exe()


def _is_token(sent: bytes, expected_sha256: str) -> bool:
    """Compared by digest and in constant time. A token that isn't set yet matches nothing."""
    digest = hashlib.sha256(sent).hexdigest()
    return bool(expected_sha256) and hmac.compare_digest(digest, expected_sha256)
