"""What a first configuration says, before it is text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

#: What an upstream speaks; all of it goes through a route of kind "http".
Speaks = Literal["mcp", "langgraph", "a2a", "http"]
#: Keys of identity tables that name a secret which the gateway makes by itself.
_MADE: Final = frozenset({"bound_key_secret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPlan:
    """`[identity]`: `head` has the keys of the table itself, `tables` those of the sources."""

    head: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that have to be set for it."""
        return tuple(
            str(value)
            for table in self.tables.values()
            for key, value in table.items()
            if key.endswith("_secret") and key not in _MADE
        )

    @property
    def private_files(self) -> tuple[str, ...]:
        """The files that prove who the gateway is, as they are written down."""
        return tuple(
            str(value)
            for table in self.tables.values()
            for key, value in table.items()
            if key == "private_key" or (key.endswith("_file") and key != "ca_file")
        )

    def as_table(self) -> dict[str, Any]:
        """The table as TOML reads it."""
        return {**self.head, **{name: dict(table) for name, table in self.tables.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """One `[[routes]]` table.

    Attributes:
        peers: the names that the upstream's certificate may carry; none stands for the host's.
        headers: their templates, by name.
        path: where the upstream is asked, for clients; not in the file.
    """

    name: str
    speaks: Speaks
    listen: str
    upstream: str
    peers: tuple[str, ...] = ()
    trust_bundle: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    @property
    def agent_card(self) -> str:
        """What becomes of an A2A agent's card: "rewrite", or "" for what has none."""
        return "rewrite" if self.speaks == "a2a" else ""

    def as_table(self) -> dict[str, Any]:
        """The table as TOML reads it."""
        table: dict[str, Any] = {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
        }
        if self.peers:
            table["peer"] = list(self.peers)
        if self.agent_card:
            table["agent_card"] = self.agent_card
        if self.trust_bundle:
            table["trust_bundle"] = self.trust_bundle
        if self.headers:
            table["headers"] = dict(self.headers)
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """A whole file. `store` "" leaves the secret store at its default."""

    project: str
    identity: IdentityPlan
    route: RoutePlan
    store: str = ""
    store_folder: str = ""

    def as_tables(self) -> dict[str, Any]:
        """All of it as TOML reads it."""
        tables: dict[str, Any] = {
            "project": self.project,
            "identity": self.identity.as_table(),
            "routes": [self.route.as_table()],
        }
        if self.store:
            tables["secrets"] = {"store": self.store}
            if self.store_folder:
                tables["secrets"]["folder"] = self.store_folder
        return tables
