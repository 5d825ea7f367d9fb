"""SPIFFE names as values: parse and format, nothing else.

Source: SPIFFE-ID standard, sections 2.1–2.4 (github.com/spiffe/spiffe, standards/SPIFFE-ID.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from identity.errors import InvalidSpiffeId

_SCHEME: Final = "spiffe://"
_MAX_ID_BYTES: Final = 2048
_MAX_TRUST_DOMAIN_BYTES: Final = 255
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]+")
_SEGMENT: Final = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True, order=True)
class TrustDomain:
    """The authority of a set of identities: the host part of their SPIFFE ids.

    Raises:
        InvalidSpiffeId: the name has characters outside a–z, 0–9, '.', '-', '_', or is too long.
    """

    name: str

    def __post_init__(self) -> None:
        if not _TRUST_DOMAIN.fullmatch(self.name) or len(self.name) > _MAX_TRUST_DOMAIN_BYTES:
            raise InvalidSpiffeId(
                f"trust domain {self.name!r} is not valid",
                hint="use 1–255 of a–z, 0–9, '.', '-', '_', such as acme.example",
            )

    def __str__(self) -> str:
        return self.name

    @property
    def id(self) -> str:
        """The trust domain's own SPIFFE id, which its signing certificates carry."""
        return _SCHEME + self.name

    def member(self, path: str) -> SpiffeId:
        """The id with this path ("/agent/laptop"). Raises `InvalidSpiffeId`."""
        return SpiffeId.parse(f"{self.id}{path}")


@dataclass(frozen=True, slots=True, order=True)
class SpiffeId:
    """`spiffe://<trust domain>/<segment>/…`; `path` is "" or begins with a slash."""

    trust_domain: TrustDomain
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id; nothing is decoded, folded or repaired.

        Raises:
            InvalidSpiffeId: with the rule that is broken.
        """
        if len(text.encode("utf-8", "replace")) > _MAX_ID_BYTES:
            raise InvalidSpiffeId("SPIFFE id is longer than 2048 bytes")
        if not text.startswith(_SCHEME):
            raise InvalidSpiffeId(
                f"{text!r} is not a SPIFFE id", hint="it begins with spiffe:// in lower case"
            )
        name, slash, rest = text[len(_SCHEME) :].partition("/")
        trust_domain = TrustDomain(name)
        if slash:
            for segment in rest.split("/"):
                _check_segment(text, segment)
        return cls(trust_domain, slash + rest)

    @classmethod
    def parse_workload(cls, text: str) -> Self:
        """Read the id of a workload, which must have a path (X509-SVID section 2).

        Raises:
            InvalidSpiffeId: with the rule that is broken.
        """
        spiffe_id = cls.parse(text)
        if not spiffe_id.path:
            raise InvalidSpiffeId(
                f"{text!r} names a trust domain, not a workload",
                hint="add a path, such as /agent/laptop",
            )
        return spiffe_id

    def __str__(self) -> str:
        return self.trust_domain.id + self.path


def _check_segment(text: str, segment: str) -> None:
    if segment in (".", "..") or not _SEGMENT.fullmatch(segment):
        raise InvalidSpiffeId(
            f"path of SPIFFE id {text!r} is not valid",
            hint="segments are letters, digits, '.', '-', '_'; none is empty, '.' or '..', and "
            "there is no slash at the end",
        )
