"""The header firewall of a route whose agent's card is rewritten. Other routes have the plain one,
and pay nothing for this. Pure.
"""

from __future__ import annotations

from gateway.data_plane.headers import HeaderRules
from gateway.data_plane.wire.request import RequestHead
from gateway.ipc.snapshot import RouteSpec


class CardRules(HeaderRules):
    """The rules of such a route."""

    def request_head(self, request: RequestHead, evidence: bytes = b"") -> bytes:
        """See `HeaderRules`."""
        cards = self.edits.cards
        if cards is None:
            return super().request_head(request, evidence)
        # The client's own lines are looked at again when the card is there, or sent once more.
        own = request.forwarded
        request.forwarded = cards.lines_for(request)
        head = super().request_head(request, evidence)
        request.forwarded = own
        return head


def rules_of(spec: RouteSpec) -> HeaderRules:
    """The rules of a route."""
    return CardRules(spec) if spec.agent_card == "rewrite" else HeaderRules(spec)
