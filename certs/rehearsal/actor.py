"""One machine of a rehearsal: the rotation that a gateway runs, and what its peers make of it."""

from __future__ import annotations

import random
from datetime import timedelta

from certs import keys
from certs.errors import ReplyRejected
from certs.generation import Generation
from certs.rehearsal.timeline import Machine
from certs.renewal import IdentityState
from certs.rotation import Rotation
from certs.sources.base import IdentitySource
from certs.verify import verify_identity
from identity.spiffe import SpiffeId


class Actor:
    """A machine with an identity."""

    def __init__(
        self, name: str, machine: Machine, source: IdentitySource, rng: random.Random
    ) -> None:
        self.name = name
        self.machine = machine
        self.rotation = Rotation(source, clock=machine, rng=rng, publish=lambda _generation: None)
        self._accepted: set[tuple[str, str, int]] = set()

    @property
    def generation(self) -> Generation | None:
        """What it shows and checks by at this moment; None when that has ended or never began."""
        state = self.rotation.state
        if state.state in {IdentityState.WAITING, IdentityState.EXPIRED}:
            return None
        return state.generation

    @property
    def is_well(self) -> bool:
        """Whether it has a certificate that isn't due for renewal, and nothing is wrong."""
        return self.rotation.state.state is IdentityState.VALID

    def refusal_of(self, peer: Actor) -> str:
        """Why it wouldn't talk to `peer`; "" when it would. The chain is checked by OpenSSL, by the
        clock of this machine.
        """
        own, shown, now = self.generation, peer.generation, self.machine.now()
        if own is None or shown is None:
            without = self if own is None else peer
            return without.rotation.state.reason
        if not shown.not_before <= now < shown.not_after:
            return f"the {self.name}'s clock finds the {peer.name}'s certificate not valid"
        fits = (shown.serial, shown.issuer, own.number)
        if fits in self._accepted:
            return ""
        try:
            verify_identity(
                key=keys.from_pem(shown.key_pem),
                chain_pem=shown.chain_pem,
                bundle_pem=own.bundle_pem,
                spiffe_id=SpiffeId.parse_leaf(shown.spiffe_id),
                trust_domain=None,
                now=now,
                min_life=timedelta(0),
                max_life=timedelta.max,
            )
        except ReplyRejected as error:
            return f"the {self.name} refuses the {peer.name}: {error}"
        # A pair is met again with each request until one of the two renews.
        self._accepted = {fits}
        return ""
