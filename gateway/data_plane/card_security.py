"""What an agent's card asks its clients for, less what the gateway brings. Pure.

Source: A2A 0.3 sections 5.5.3 and 5.5.4 (as OpenAPI 3 writes it), A2A 1.0 section 4.5. Names may be
spelled as protobuf does ("security_schemes"): readers of protobuf's JSON take both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.ipc.snapshot import RouteSpec

_SCHEMES: Final = ("securitySchemes", "security_schemes")
_REQUIREMENTS: Final = ("security", "securityRequirements", "security_requirements")
_MTLS: Final = "mutualtls"
_KINDS: Final = {
    "mtlssecurityscheme": _MTLS,
    "httpauthsecurityscheme": "http",
    "apikeysecurityscheme": "apikey",
    "oauth2securityscheme": "oauth2",
    "openidconnectsecurityscheme": "openidconnect",
}


class Credentials:
    """What a route shows its upstream in its clients' place: its certificate and its headers. An
    ingress shows nothing.
    """

    __slots__ = ("_cookies", "_headers", "_mutual", "_scheme")

    def __init__(self, spec: RouteSpec) -> None:
        self._mutual = not spec.ingress
        headers = {} if spec.ingress else {name.lower(): value for name, value in spec.headers}
        self._headers = frozenset(headers)
        self._scheme = headers.get("authorization", "").partition(" ")[0].lower()
        pairs = headers.get("cookie", "").split(";")
        self._cookies = frozenset(pair.partition("=")[0].strip() for pair in pairs)

    def relieve(self, card: dict[str, Any]) -> None:
        """Take the schemes out of the card that are satisfied, and what refers to them."""
        satisfied: set[str] = set()
        for key in _SCHEMES:
            schemes = card.get(key)
            if not isinstance(schemes, dict):
                continue
            found = {name for name, scheme in schemes.items() if self._satisfies(scheme)}
            satisfied |= found
            if found == schemes.keys():
                del card[key]
            elif found:
                card[key] = _without(schemes, found)
        if satisfied:
            for holder in _holders(card):
                _reduce(holder, satisfied)

    def _satisfies(self, scheme: object) -> bool:
        kind, fields = _kind_of(scheme)
        if kind == _MTLS:
            return self._mutual
        if kind == "http":
            return bool(self._scheme) and _small(fields.get("scheme")) == self._scheme
        if kind in ("oauth2", "openidconnect"):
            return self._scheme == "bearer"
        if kind != "apikey":
            return False
        place, name = _small(fields.get("in", fields.get("location"))), fields.get("name")
        if place == "cookie":
            return isinstance(name, str) and bool(name) and name in self._cookies
        return place == "header" and _small(name) in self._headers


def _kind_of(scheme: object) -> tuple[str, Mapping[str, Any]]:
    """The kind of a scheme in small letters, and its fields; of either version's shape."""
    if not isinstance(scheme, dict):
        return "", {}
    if "type" in scheme:
        return _small(scheme["type"]), scheme
    for name, fields in scheme.items():
        kind = _KINDS.get(name.replace("_", "").lower())
        if kind is not None:
            return kind, fields if isinstance(fields, dict) else {}
    return "", {}


def _holders(card: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The card and its skills: what may say what it requires."""
    yield card
    skills = card.get("skills")
    if isinstance(skills, list):
        yield from (skill for skill in skills if isinstance(skill, dict))


def _reduce(holder: dict[str, Any], satisfied: set[str]) -> None:
    """Alternatives of which one is satisfied whole require nothing of the client any more."""
    for key in _REQUIREMENTS:
        alternatives = holder.get(key)
        if not isinstance(alternatives, list):
            continue
        reduced = [_less(item, satisfied) for item in alternatives]
        if reduced == alternatives:
            continue
        if any(_is_empty(item) for item in reduced):
            del holder[key]
        else:
            holder[key] = reduced


def _less(requirement: Any, satisfied: set[str]) -> Any:
    if not isinstance(requirement, dict):
        return requirement
    inner = requirement.get("schemes")
    if isinstance(inner, dict):
        return requirement | {"schemes": _without(inner, satisfied)}
    return _without(requirement, satisfied)


def _is_empty(requirement: Any) -> bool:
    inner = requirement.get("schemes") if isinstance(requirement, dict) else None
    return not (inner if isinstance(inner, dict) else requirement)


def _without(table: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in names}


def _small(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""
