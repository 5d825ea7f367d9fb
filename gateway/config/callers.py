"""`[[routes.allow]]`: which local callers may use a route."""

from __future__ import annotations

from gateway.config.model import LOCAL_PREFIX, AllowRule, TcpAddress, UnixAddress
from gateway.config.table import Rejected, Table
from identity.errors import InvalidSecretName
from identity.secret_stores.base import SecretRef

LOOPBACKS = ("127.0.0.1", "::1")
MOST_UID = 2**32 - 2


def read_rules(table: Table, *, tokens: bool = True) -> tuple[AllowRule, ...]:
    """The rules of one route, in order; those with problems are left out and noted. Callers can
    show `tokens` where there are headers only.
    """
    rules = []
    for entry in table.tables("allow"):
        uid = entry.whole("uid", 0, least=0, most=MOST_UID) if "uid" in entry else None
        rule = AllowRule(
            uid=uid,
            exe=entry.converted("exe", program) or "",
            token=entry.converted("token", _token) or "",
        )
        if rule.token and not tokens:
            entry.problem("token", "a tcp route has no header for it", "use uid, or uid and exe")
        entry.finish()
        if rule == AllowRule():
            entry.problem("uid", "the rule would allow everybody", "give it uid, exe or token")
        elif rule.exe and uid is None and not rule.token:
            entry.problem("exe", "a program's path alone proves little", "add uid or token")
        rules.append(rule)
    return tuple(rules)


def asks_for_token(rules: tuple[AllowRule, ...]) -> bool:
    """Whether no caller gets in without a token."""
    return bool(rules) and all(rule.token for rule in rules)


def is_reachable_from_afar(address: TcpAddress | UnixAddress) -> bool:
    """Whether other machines may be able to connect to the address."""
    return isinstance(address, TcpAddress) and address.host not in LOOPBACKS


def program(text: str) -> str:
    """A program's full path."""
    if not text.startswith("/"):
        raise Rejected(f"{text!r} is not a program's full path", 'such as "/usr/bin/python3.11"')
    return text


def _token(text: str) -> str:
    try:
        SecretRef("x", LOCAL_PREFIX + text)
    except InvalidSecretName as error:
        raise Rejected(f"{text!r} is not usable as a token's name", error.hint) from None
    return text
