"""The issuer's revocation lists, for the identity that came from it.

They are public, and fetched from the issuer itself: over a connection that completes only with the
server that our bundle's authority certified as the issuer. What of them our own authorities signed
is checked against these before anything goes by it: a list that can't be used would end every
connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from certs import tls_context
from certs.bundle import TrustBundle
from certs.clock import Clock
from certs.errors import InvalidCertificate, ReplyRejected
from certs.generation import Generation
from certs.revocation import RevocationLists, gap, read_lists
from certs.sources.base import FoundLists
from certs.sources.https_call import Answer, Far, HttpsCaller
from certs.svid import Chain
from identity.spiffe import SpiffeId

if TYPE_CHECKING:
    from cryptography import x509

_ISSUER_PATH: Final = "/devwiz-gw/issuer"
#: As long as a file with lists may be.
_MAX_BYTES: Final = 4 * 1024 * 1024
_WAIT_S: Final = 20
_TIMEOUT_S: Final = 30.0
_STEP: Final = "crl"


class IssuerLists:
    """Fetches the lists of one issuer. Holds no connection between calls.

    Raises:
        CertsError: `url` is not an https origin.
    """

    def __init__(self, url: str, far: Far, *, clock: Clock) -> None:
        self._caller = HttpsCaller(
            url, far, timeout_s=_TIMEOUT_S, now=clock.now, max_reply_bytes=_MAX_BYTES
        )
        self._clock = clock

    async def fetch(self, current: Generation, known: FoundLists | None) -> FoundLists | None:
        """The lists that go with `current`; waits up to 20 s while they are those that are known.
        None: this issuer signs none.

        Raises:
            SourceUnavailable, SourceDenied: it can't be asked.
            ReplyRejected: what it gave is not usable.
        """
        answer = await self._ask(current, known)
        if answer.status == 304 and known is not None:
            return known
        if answer.status == 404:
            return None
        if answer.is_temporary:
            raise self._caller.temporary(_STEP, answer)
        if answer.status != 200:
            raise self._caller.not_understood(_STEP, answer)
        _check(answer.body, current, self._clock.now())
        return FoundLists(pem=answer.body, tag=answer.tag)

    async def _ask(self, current: Generation, known: FoundLists | None) -> Answer:
        domain = SpiffeId.parse_leaf(current.spiffe_id).trust_domain
        try:
            context = tls_context.client_context(
                bundle_pem=current.bundle_pem, server_id=str(SpiffeId(domain, _ISSUER_PATH))
            )
        except (ssl.SSLError, ValueError) as error:
            raise ReplyRejected(f"{_STEP}: the trust bundle can't be used for TLS") from error
        is_known = known is not None and known.tag != ""
        return await self._caller.call(
            _STEP,
            "GET",
            "v1/crl.pem",
            context,
            headers={"If-None-Match": known.tag} if known is not None and is_known else None,
            query={"wait": str(_WAIT_S)} if is_known else None,
        )


def _check(pem: bytes, current: Generation, now: datetime) -> None:
    try:
        lists = read_lists(pem)
        chain = Chain.from_pem(current.chain_pem)
        bundle = TrustBundle.from_pem(current.bundle_pem)
    except InvalidCertificate as error:
        raise ReplyRejected(f"{_STEP}: {error}", hint=error.hint) from error
    signers = (*chain.intermediates, *bundle.authorities)
    for item in lists:
        named = [signer for signer in signers if signer.subject == item.issuer]
        if named and not any(_has_signed(signer, item) for signer in named):
            name = item.issuer.rfc4514_string()
            raise ReplyRejected(f"{_STEP}: {name} has not signed the list in its name")
    _check_complete(lists, chain, bundle.authorities)
    missing = gap(lists, now)
    if missing:
        raise ReplyRejected(
            f"{_STEP}: {missing}", hint="is this machine's clock right, and the issuer's?"
        )


def _check_complete(
    lists: RevocationLists, chain: Chain, authorities: Iterable[x509.Certificate]
) -> None:
    """Hold the lists against our own chain: a peer's is most likely such a one, too."""
    names = {item.issuer for item in lists}
    top = (chain.intermediates or (chain.leaf,))[-1]
    above = [item for item in authorities if item.subject == top.issuer]
    for signer in (*chain.intermediates, *above):
        if signer.subject not in names:
            name = signer.subject.rfc4514_string()
            raise ReplyRejected(
                f"{_STEP}: there is no revocation list of {name}",
                hint="the issuer's log says why; its peers would refuse every certificate",
            )


def _has_signed(signer: x509.Certificate, item: x509.CertificateRevocationList) -> bool:
    try:
        key = signer.public_key()
        return item.is_signature_valid(key)  # type: ignore[arg-type] # others raise TypeError
    except (TypeError, ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
