"""What the trust of now says of the far sides of connections that were made before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from OpenSSL import crypto

from certs.errors import PeerRejected
from certs.peer import (
    check_wildcard,
    is_by_wildcard,
    names_of,
    peer_allowed,
    peer_evidence,
    peer_matches,
)
from gateway.data_plane.stream import Stream, TlsStream
from gateway.data_plane.tls import REVOKED, judging_store, verify_problem

if TYPE_CHECKING:
    from gateway.ipc.snapshot import RouteSpec

# As DER: only the leaf is read by the stricter parser, as in a handshake. A far side may send
# anything beside what it is verified by.
Chain = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a connection may not go on: `reason` is the word in numbers and logs, `why` says it in a
    sentence, `peer` who is on the other side.
    """

    reason: str
    why: str
    peer: str


class Judge:
    """Looks at chains again, each once however many connections showed it.

    A connection is as good as a new one would be, except that time ends none: neither a far side's
    certificate nor a revocation list that has expired since is held against it.
    """

    def __init__(self, spec: RouteSpec) -> None:
        """Raises `ValueError` for a trust that can't be read."""
        self._who = "the caller" if spec.ingress else "the server"
        self._is_ingress = spec.ingress
        self._peers = spec.tls.peers
        self._store = judging_store(spec.tls)
        self._nobody = Objection("untrusted", f"{self._who} showed no certificate", "nobody")
        self._known: dict[Chain, Objection | None] = {}

    def objection(self, stream: Stream) -> Objection | None:
        """Why the connection may not go on, if so."""
        if not isinstance(stream, TlsStream):
            return self._nobody
        leaf = stream.connection.get_peer_certificate()
        if leaf is None:
            return self._nobody
        # What was sent, and not what it was verified by: a new handshake has no more than that.
        others = stream.connection.get_peer_cert_chain() or []
        chain = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, it) for it in (leaf, *others))
        if chain not in self._known:
            self._known[chain] = self._judged(leaf, others)
        return self._known[chain]

    def _judged(self, leaf: crypto.X509, others: list[crypto.X509]) -> Objection | None:
        malformed = Objection("peer_rejected", f"{self._who}'s certificate is malformed", "nobody")
        try:
            certificate = leaf.to_cryptography()
        except (ValueError, x509.InvalidVersion):
            return malformed
        try:
            chain = crypto.X509StoreContext(self._store, leaf, others).get_verified_chain()
            self._check_name(certificate, chain)
        except crypto.X509StoreContextError as error:
            code = error.errors[0]
            reason = "revoked" if code == REVOKED else "untrusted"
            return Objection(reason, verify_problem(code, self._who), names_of(certificate))
        except (ValueError, x509.InvalidVersion):
            return malformed
        except PeerRejected as rejected:
            return Objection("peer_rejected", str(rejected), names_of(certificate))
        return None

    def _check_name(self, leaf: x509.Certificate, chain: list[crypto.X509]) -> None:
        if self._is_ingress:
            spiffe_id, _ = peer_evidence(leaf, "")
            if not peer_allowed(spiffe_id, self._peers):
                raise PeerRejected(f"the caller is {spiffe_id}, which no peer allows any more")
        else:
            item = peer_matches(leaf, self._peers)
            if is_by_wildcard(leaf, item):
                check_wildcard((one.to_cryptography() for one in chain), item)
