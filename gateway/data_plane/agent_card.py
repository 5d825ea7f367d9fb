"""An A2A agent's card, as clients of the local origin can use it. Pure.

Source: A2A 0.3 section 5.5 (`url`, `preferredTransport`, `additionalInterfaces`), A2A 1.0 sections
4.4 (`supportedInterfaces`) and 8.4 (signatures). A card may have the shape of both versions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from gateway.data_plane.card_places import Places
from gateway.data_plane.card_security import Credentials
from gateway.data_plane.origin_map import OriginMap
from gateway.ipc.snapshot import RouteSpec
from identity.strict_json import strict_value

#: A longer card is refused.
MOST_BYTES: Final = 1_048_576
MOST_DEPTH: Final = 64
_MOST_NAMED: Final = 4
# Of each version where the interfaces are, and the names of what says how one is spoken to; names
# may also be spelled as protobuf does.
_LISTS: Final = {
    "additionalInterfaces": ("transport",),
    "additional_interfaces": ("transport",),
    "supportedInterfaces": ("protocolBinding", "protocol_binding"),
    "supported_interfaces": ("protocolBinding", "protocol_binding"),
}
_PREFERRED: Final = ("preferredTransport", "preferred_transport")


class CardRefused(Exception):
    """A card can't be rewritten, and must not reach a client as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCard:
    """What came of a card.

    Attributes:
        text: the card for the client; what the upstream sent, if nothing had to be changed.
        changed: whether something had to be.
        unsigned: whether signatures were taken away, because they are of the upstream's own card.
        elsewhere: the origins that clients are sent to which the gateway doesn't lead to.
    """

    text: bytes
    changed: bool
    unsigned: bool
    elsewhere: tuple[str, ...]

    def note(self) -> str:
        """What the operator should know, as the end of a sentence about the card; mostly ""."""
        notes: list[str] = []
        if self.unsigned:
            notes.append("lost its signatures, which don't fit what had to be changed")
        if self.elsewhere:
            named = ", ".join(ascii(origin)[1:-1] for origin in self.elsewhere[:_MOST_NAMED])
            notes.append(f"leads clients past the gateway, to {named}")
        return " and ".join(notes)


class CardMap:
    """The mapping of one route's cards."""

    __slots__ = ("_credentials", "_origin", "_spec")

    def __init__(self, spec: RouteSpec, origin: OriginMap) -> None:
        self._spec = spec
        self._origin = origin
        self._credentials = Credentials(spec)

    def localised(self, text: bytes, local: bytes, *, in_result: bool = False) -> LocalCard:
        """The card for a client that named `local` as its authority; with `in_result` it is the
        result of a JSON-RPC answer.

        Raises:
            CardRefused: it is none, or has no reading that everybody would share.
        """
        document = _document(text)
        card = document.get("result") if in_result else document
        if card is None:  # an error of JSON-RPC
            card = {}
        if not isinstance(card, dict):
            raise CardRefused("the result is not a JSON object")
        before = json.dumps(card)
        places = Places(self._spec, self._origin, local)
        _map_interfaces(card, places)
        self._credentials.relieve(card)
        unsigned = False
        if changed := json.dumps(card) != before:
            unsigned = bool(card.pop("signatures", None))
            text = json.dumps(document, separators=(",", ":")).encode("ascii")
        return LocalCard(
            text=text, changed=changed, unsigned=unsigned, elsewhere=tuple(places.elsewhere)
        )


def _document(text: bytes) -> dict[str, Any]:
    """RFC 8259, and RFC 7493 where it says what has more than one reading."""
    try:
        document = strict_value(text.decode("utf-8"))
        json.dumps(document, allow_nan=False)  # a number may be too large for everybody
    except (ValueError, RecursionError) as error:
        raise CardRefused("it is not JSON that has one reading for everybody") from error
    if not isinstance(document, dict):
        raise CardRefused("it is not a JSON object")
    if _is_deeper(document, MOST_DEPTH):
        raise CardRefused(f"it is nested more than {MOST_DEPTH} levels deep")
    return document


def _is_deeper(document: Any, levels: int) -> bool:
    """Level by level, so that no nesting is too deep to be looked at."""
    level: list[Any] = [document]
    for _ in range(levels):
        level = [inner for item in level for inner in _items(item)]
        if not level:
            return False
    return True


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _map_interfaces(card: dict[str, Any], places: Places) -> None:
    """Each interface by the place where its client reaches it; without those that none reaches."""
    dropped = False
    for key, names in _LISTS.items():
        interfaces = card.get(key)
        if isinstance(interfaces, list):
            kept = [item for item in interfaces if _mapped(item, "url", names, places)]
            dropped = dropped or len(kept) < len(interfaces)
            card[key] = kept
    if not _mapped(card, "url", _PREFERRED, places):
        dropped = True
        _prefer_another(card)
    if dropped and not _is_reachable(card):
        raise CardRefused(
            "the agent speaks gRPC only, and no route of kind tcp leads to where it does"
        )


def _mapped(holder: Any, key: str, bindings: tuple[str, ...], places: Places) -> bool:
    """Map the URL in `holder`, if there is one; whether a client reaches what it leads to."""
    url = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(url, str):
        return True
    binding = next((holder[name] for name in bindings if name in holder), "")
    is_grpc = isinstance(binding, str) and binding.upper() == "GRPC"
    mapped = places.grpc(url) if is_grpc else places.http(url)
    if mapped is None:
        return False
    holder[key] = mapped
    return True


def _prefer_another(card: dict[str, Any]) -> None:
    """The preferred interface of 0.3 can't be reached: take the first one that can."""
    for name in ("url", *_PREFERRED):
        card.pop(name, None)
    for key in ("additionalInterfaces", "additional_interfaces"):
        interfaces = card.get(key)
        for interface in interfaces if isinstance(interfaces, list) else ():
            if isinstance(interface, dict) and isinstance(interface.get("url"), str):
                card["url"] = interface["url"]
                card["preferredTransport"] = interface.get("transport", "JSONRPC")
                return


def _is_reachable(card: dict[str, Any]) -> bool:
    return "url" in card or any(card.get(key) for key in _LISTS)
