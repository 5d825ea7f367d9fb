"""One-time tokens: made by an operator, spent by a join. One thread."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from certs.issuer import generation, policy
from certs.issuer.audit import AuditFile, Event, audited
from certs.issuer.ca import RandomBytes
from certs.issuer.generation import Link
from certs.issuer.holders import Holders
from certs.issuer.policy import InvalidPolicy
from certs.issuer.refusal import Code, Refused
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance
from certs.issuer.tables.tokens import Token
from identity.errors import JoinTokenInvalid
from identity.join import ID_BYTES, SECRET_BYTES, JoinToken
from identity.secret_stores.base import Secret

#: For so long after a join the same key may ask again and be answered without another use spent:
#: the reply may have been lost on its way.
JOIN_RETRY_WINDOW: Final = timedelta(minutes=10)

_INSTANCE_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an operator wants a token to grant. `derive`: to the workload's agents, each by a name
    of its own below the workload's.
    """

    workload: str
    path: str | None = None
    dns_names: tuple[str, ...] = ()
    life: timedelta = timedelta(minutes=30)
    uses: int = 1
    max_leaf_life: timedelta = policy.MAX_LEAF_LIFE
    derive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made; `text` is what the workload is given."""

    id: str
    text: Secret
    spiffe_id: str
    not_after: datetime


class OneTimeTokens:
    """The tokens of one issuer."""

    def __init__(
        self,
        store: Store,
        audit: AuditFile,
        *,
        trust_domain: str,
        holders: Holders,
        random: RandomBytes,
    ) -> None:
        self._store = store
        self._audit = audit
        self._trust_domain = trust_domain
        self._holders = holders
        self._random = random

    def make(self, grant: Grant, now: datetime) -> NewToken:
        """Make a join token; only its digest is kept.

        Raises:
            InvalidPolicy, InvalidSpiffeId: the grant asks for something that can't be given.
        """
        binding = policy.bind(
            trust_domain=self._trust_domain,
            workload=grant.workload,
            path=grant.path,
            dns_names=grant.dns_names,
            max_life=grant.max_leaf_life,
            derive=grant.derive,
        )
        if not timedelta(0) < grant.life <= policy.MAX_TOKEN_LIFE:
            raise InvalidPolicy(
                f"a token life of {grant.life} is out of range", hint="use 365 days at most"
            )
        if not 1 <= grant.uses <= policy.MAX_TOKEN_USES:
            raise InvalidPolicy(f"{grant.uses} uses are out of range", hint="use 1 to 1000000")
        token = JoinToken.from_random(self._random(ID_BYTES + SECRET_BYTES))
        event = Event(action="token", spiffe_id=binding.names.spiffe_id, token_id=token.id)
        with audited(self._audit, event, now), self._store.transaction():
            self._store.tokens.add(
                Token(
                    id=token.id,
                    digest=token.digest,
                    binding=binding,
                    uses_left=grant.uses,
                    not_after=now + grant.life,
                )
            )
        return NewToken(
            id=token.id,
            text=token.text,
            spiffe_id=binding.names.spiffe_id,
            not_after=now + grant.life,
        )

    def known(self, token_text: Secret, event: Event) -> Token:
        """The token of that text. Raises `Refused`."""
        unknown = Refused(
            Code.TOKEN_INVALID,
            "the join token is not one of this issuer's",
            hint="make one with 'devwiz-gw issuer token' at this issuer",
        )
        try:
            shown = JoinToken.parse(token_text)
        except JoinTokenInvalid as error:
            raise unknown from error
        event.token_id = shown.id
        token = self._store.tokens.find(shown.id)
        if token is None or not hmac.compare_digest(token.digest, shown.digest):
            raise unknown
        event.spiffe_id = token.binding.names.spiffe_id
        return token

    def joined(self, token_id: str, key: str, event: Event, now: datetime) -> Instance:
        """The instance that this key may have for the token: one already given, or a new one, for
        which a use is taken. Within a transaction. Raises `Refused`.
        """
        # Read again inside the transaction: the count of uses must not be an older one.
        token = self._store.tokens.find(token_id)
        earlier = self._store.tokens.join_of(token_id, key)
        if token is None:
            raise Refused(Code.TOKEN_EXPIRED, "the join token has expired")
        if earlier is not None and now - earlier.joined <= JOIN_RETRY_WINDOW:
            return self._joined_before(earlier.instance_id, key, event, now)
        if now >= token.not_after:
            raise Refused(
                Code.TOKEN_EXPIRED,
                f"the join token expired at {token.not_after.isoformat(timespec='seconds')}",
                hint="make a new one with 'devwiz-gw issuer token'",
            )
        if token.uses_left == 0:
            raise Refused(
                Code.TOKEN_SPENT,
                "the join token has been used",
                hint="make a new one with 'devwiz-gw issuer token'; if nobody of yours used it, "
                "somebody else did: see the issuer's audit file",
            )
        instance = Instance(
            id=self._random(_INSTANCE_ID_BYTES).hex(),
            token_id=token.id,
            binding=token.binding,
            lineage=generation.first(key),
        )
        self._store.tokens.spend(token, key=key, instance_id=instance.id, now=now)
        return instance

    def _joined_before(self, instance_id: str, key: str, event: Event, now: datetime) -> Instance:
        event.reason = "repeated"
        instance = self._holders.instance(instance_id)
        self._store.locks.check(instance.targets, now)
        if instance.lineage.confirmed != Link(1, key):
            # It has renewed since, so the reply did arrive: nobody needs it a second time.
            raise Refused(Code.TOKEN_SPENT, "the join token has been used by this key")
        return instance
