"""How values of a configuration name the secrets and tokens that they are filled with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What tells a token from a secret among the names of a template; no secret's name has a colon.
TOKEN_PREFIX: Final = "token:"  # noqa: S105 - a prefix
#: What the names of the secrets begin with that hold local tokens.
LOCAL_PREFIX: Final = "local-token."
#: Stands for the exporter where otherwise a route's name says who uses a secret.
TELEMETRY: Final = "[telemetry]"


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """A header that the route attaches: `parts` alternate literal text and names of values.

    "Bearer {secret:planner-token}" becomes parts ("Bearer ", "planner-token", ""): even indexes
    are literal text, odd indexes name secrets of the configuration's project, or with
    `TOKEN_PREFIX` its tokens.
    """

    name: str
    parts: tuple[str, ...]

    @property
    def value_names(self) -> tuple[str, ...]:
        """All that the value needs, in order; tokens with their prefix."""
        return self.parts[1::2]

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets that the value needs, in order."""
        return tuple(name for name in self.value_names if not name.startswith(TOKEN_PREFIX))

    @property
    def token_names(self) -> tuple[str, ...]:
        """The tokens that the value needs, in order."""
        return tuple(
            name.removeprefix(TOKEN_PREFIX)
            for name in self.value_names
            if name.startswith(TOKEN_PREFIX)
        )
