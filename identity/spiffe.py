"""SPIFFE ids and trust domains as values. Pure.

Source: the SPIFFE-ID standard §2. A name is compared byte by byte, so only the one spelling that
the standard allows is accepted: nothing is folded, decoded or trimmed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from identity.errors import InvalidSpiffeId

#: Longest trust domain and longest id, in bytes (SPIFFE-ID §2.3); both are plain ASCII.
MAX_TRUST_DOMAIN_BYTES: Final = 255
MAX_ID_BYTES: Final = 2048

_SCHEME: Final = "spiffe://"
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]+")
_SEGMENT: Final = re.compile(r"[a-zA-Z0-9._-]+")
_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class TrustDomain:
    """The authority name of a set of identities: `acme.example`.

    Raises:
        InvalidSpiffeId: the name breaks the grammar.
    """

    name: str

    def __post_init__(self) -> None:
        _check_trust_domain(self.name)

    @classmethod
    def parse(cls, text: str) -> TrustDomain:
        """Read `acme.example`, or `spiffe://acme.example` without a path.

        Raises:
            InvalidSpiffeId: the text is neither.
        """
        return cls(text.removeprefix(_SCHEME))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """A SPIFFE id. `path` is "" (the trust domain itself) or starts with "/".

    Raises:
        InvalidSpiffeId: the path or the whole breaks the grammar.
    """

    trust_domain: TrustDomain
    path: str

    def __post_init__(self) -> None:
        _check_path(self.path)
        length = len(_SCHEME) + len(self.trust_domain.name) + len(self.path)
        if length > MAX_ID_BYTES:
            raise InvalidSpiffeId(
                f"the SPIFFE id is {length} bytes long", hint=f"{MAX_ID_BYTES} is the longest"
            )

    @classmethod
    def parse(cls, text: str) -> SpiffeId:
        """Read an id, with a path or without one; `str` gives back the same text.

        Raises:
            InvalidSpiffeId: the text breaks the grammar.
        """
        if not text.startswith(_SCHEME):
            raise InvalidSpiffeId(
                f"{_shown(text)} is not a SPIFFE id", hint=f"it starts with {_SCHEME!r}, lower case"
            )
        domain, slash, rest = text.removeprefix(_SCHEME).partition("/")
        return cls(TrustDomain(domain), slash + rest)

    @classmethod
    def parse_leaf(cls, text: str) -> SpiffeId:
        """Read the id of a workload: one that a leaf certificate can carry, so it has a path
        (X509-SVID §3.1).

        Raises:
            InvalidSpiffeId: the text breaks the grammar or has no path.
        """
        spiffe_id = cls.parse(text)
        if not spiffe_id.path:
            raise InvalidSpiffeId(
                f"{_shown(text)} names a trust domain, not a workload",
                hint="add the workload's path, such as '/agent/planner'",
            )
        return spiffe_id

    def __str__(self) -> str:
        return f"{_SCHEME}{self.trust_domain.name}{self.path}"


def _check_trust_domain(name: str) -> None:
    if len(name) > MAX_TRUST_DOMAIN_BYTES:
        raise InvalidSpiffeId(
            f"the trust domain is {len(name)} bytes long",
            hint=f"{MAX_TRUST_DOMAIN_BYTES} is the longest",
        )
    if not _TRUST_DOMAIN.fullmatch(name):
        raise InvalidSpiffeId(
            f"trust domain {_shown(name)} is not usable",
            hint="use a–z, 0–9, '.', '_', '-'; no user, no port, no '%', no upper case",
        )


def _check_path(path: str) -> None:
    if not path:
        return
    first, *segments = path.split("/")
    if first or not segments:
        raise InvalidSpiffeId(
            f"SPIFFE path {_shown(path)} doesn't start with '/'",
            hint="write spiffe://DOMAIN/PATH",
        )
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise InvalidSpiffeId(
                f"SPIFFE path {_shown(path)} has an empty or relative segment",
                hint="no '//', no '.' or '..', no '/' at the end",
            )
        if not _SEGMENT.fullmatch(segment):
            raise InvalidSpiffeId(
                f"SPIFFE path {_shown(path)} has characters that are not allowed",
                hint="use a–z, A–Z, 0–9, '.', '_', '-'; no '%', no query, no fragment",
            )


def _shown(text: str) -> str:
    """Untrusted text for a message: quoted, escaped, cut."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return ascii(cut) if len(cut) == len(text) else ascii(cut[:-1]) + "…"
