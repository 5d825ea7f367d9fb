"""Nonces that were used, for as long as they would be good. Pure."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from certs.issuer.joins.statements import PROOF_LIFE
from certs.issuer.refusal import Code, Refused


class UsedNonces:
    """Lets each nonce pass once. Only those of good proofs by keys that are known get here, so
    strangers can't fill it.
    """

    def __init__(self) -> None:
        self._used: OrderedDict[str, datetime] = OrderedDict()

    def use(self, nonce: str, now: datetime) -> None:
        """Let a nonce pass.

        Raises:
            Refused: `proof_invalid`: it has passed before.
        """
        while self._used and now - next(iter(self._used.values())) > PROOF_LIFE:
            self._used.popitem(last=False)
        if nonce in self._used:
            raise Refused(
                Code.PROOF_INVALID,
                "the proof of the key has been used",
                hint="ask for another challenge",
            )
        self._used[nonce] = now
