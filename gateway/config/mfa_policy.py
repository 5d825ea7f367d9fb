"""What a touch of a security key is demanded for, as far as a configuration says so. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

#: Commands that can be put behind a touch.
MFA_COMMANDS: Final = (
    "secret get",
    "run",
    "rotate",
    "identity export",
    "vault unlock",
    "audit acknowledge",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaConfig:
    """`[mfa]`: `secrets` are patterns of names, `within_s` is how long a touch is good for.

    `is_unknown` stands for the policy of a project whose configuration isn't at hand.
    """

    secrets: tuple[str, ...] = ()
    commands: frozenset[str] = frozenset()
    sign_in: bool = False
    within_s: int = 120
    is_unknown: bool = False

    def wants(self, command: str, names: Iterable[str]) -> bool:
        """Whether a command that is about these secrets takes a touch."""
        return command in self.commands or any(
            fnmatchcase(name, pattern) for name in names for pattern in self.secrets
        )
