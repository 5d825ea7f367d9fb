"""What issuers make of a signing request in PEM, checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from certs.errors import InvalidCertificate, ReplyRejected
from certs.keys import PrivateKey
from certs.sources.base import Identity
from certs.sources.pem_reply import chain_and_bundle
from certs.verify import verify_identity
from identity.spiffe import SpiffeId

_MIN_LIFE: Final = timedelta(seconds=5)
_MAX_LIFE: Final = timedelta(days=31)


def verified_reply(
    step: str,
    made: Sequence[str],
    known: Sequence[str],
    *,
    key: PrivateKey,
    spiffe_id: SpiffeId,
    now: datetime,
) -> Identity:
    """What an issuer made for `key`, checked before it is used; see `chain_and_bundle`.

    Raises:
        ReplyRejected: naming the `step` that got it, and what is wrong with it.
    """
    try:
        chain_pem, bundle_pem = chain_and_bundle(made, known)
        return verify_identity(
            key=key,
            chain_pem=chain_pem,
            bundle_pem=bundle_pem,
            spiffe_id=spiffe_id,
            trust_domain=None,
            now=now,
            min_life=_MIN_LIFE,
            max_life=_MAX_LIFE,
        )
    except (ReplyRejected, InvalidCertificate) as error:
        raise ReplyRejected(f"{step}: {error}", hint=error.hint) from error
