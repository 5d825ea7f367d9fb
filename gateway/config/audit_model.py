"""What `[audit]` says, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.config.model import HeaderTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardConfig:
    """`[audit.forward.NAME]`: where the journal's lines are sent.

    Attributes:
        to: the server's address without the path that its protocol appends; for syslog
            "unix:///PATH", or "udp://", "tcp://" or "tls://" with HOST:PORT.
        headers: of the requests to it.
        hashed_names: whether names of secrets and tokens are replaced by their HMAC.
        project: LangSmith's, not the journal's.
        facility: of syslog messages (RFC 5424 table 1).
        ca_file: the authorities of a server whose certificate the system's don't vouch for.
        allow_plaintext: whether lines may cross a network that anybody on it can read.
    """

    name: str
    kind: Literal["langsmith", "otlp", "syslog"]
    to: str
    headers: tuple[HeaderTemplate, ...] = ()
    hashed_names: bool = False
    project: str = ""
    facility: int = 0
    ca_file: Path | None = None
    allow_plaintext: bool = False

    @property
    def owner(self) -> str:
        """Who asks for the values of the headers."""
        return f"[audit.forward.{self.name}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """`[audit]`: the journal goes on in a new file at `file_bytes`; of full ones `keep_files` are
    kept (0: all).
    """

    file_bytes: int = 16 * 1024 * 1024
    keep_files: int = 0
    forward: tuple[ForwardConfig, ...] = ()
