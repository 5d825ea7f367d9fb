"""`[mfa]`: what a person has to touch a security key for."""

from __future__ import annotations

import re
from typing import Final

from gateway.config.mfa_policy import MFA_COMMANDS, MfaConfig
from gateway.config.table import Rejected, Table

_MOST_S: Final = 600
_LEAST_S: Final = 10
_NAMED: Final = "secret:"
_COMMAND: Final = "command:"
_SIGN_IN: Final = "sign-in"
_PATTERN: Final = re.compile(r"[A-Za-z0-9._*?-]{1,127}")


def read_mfa(table: Table) -> MfaConfig:
    """The checked table; problems are noted in it."""
    rules = table.distinct("touch", _rule)
    within_s = table.whole("within_s", MfaConfig().within_s, least=_LEAST_S, most=_MOST_S)
    table.finish()
    return MfaConfig(
        secrets=tuple(rule.removeprefix(_NAMED) for rule in rules if rule.startswith(_NAMED)),
        commands=frozenset(
            rule.removeprefix(_COMMAND) for rule in rules if rule.startswith(_COMMAND)
        ),
        sign_in=_SIGN_IN in rules,
        within_s=within_s,
    )


def _rule(text: str) -> str:
    if text == _SIGN_IN:
        return text
    if text.startswith(_NAMED):
        if not _PATTERN.fullmatch(text.removeprefix(_NAMED)):
            raise Rejected(f"{text!r} names no secret", 'such as "secret:prod-*"')
        return text
    command = text.removeprefix(_COMMAND)
    if text.startswith(_COMMAND) and command in MFA_COMMANDS:
        return text
    known = ", ".join(f'"{_COMMAND}{name}"' for name in MFA_COMMANDS)
    raise Rejected(
        f"{text!r} is not known", f'use "secret:PATTERN", "{_SIGN_IN}" or one of {known}'
    )
