"""Who shows a certificate: what the issuer remembers of it. One thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from certs import keys
from certs.issuer.audit import Event
from certs.issuer.refusal import Code, Refused
from certs.issuer.signing import serial_text
from certs.issuer.store import Store
from certs.issuer.tables.instances import Instance, IssuedCertificate

#: Expired certificates and tokens are remembered this long, so that a late use is still explained.
KEPT_AFTER_END: Final = timedelta(days=7)

#: For so long after its end a certificate can be renewed by its key alone.
RENEWABLE_AFTER_END: Final = KEPT_AFTER_END

# In hex digits (RFC 5280 §4.1.2.2): of a longer one, which is none of ours, this much is noted.
_MAX_SERIAL: Final = 40


class Holders:
    """Instances and their certificates, over one state. Every method raises `Refused`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def certificate(
        self,
        leaf_der: bytes,
        event: Event,
        now: datetime,
        prove: Callable[[x509.Certificate], None] | None = None,
    ) -> IssuedCertificate:
        """What is remembered of one that was shown; `prove` is as in `IssuerService.renew`."""
        leaf = x509.load_der_x509_certificate(leaf_der)
        serial = serial_text(leaf)
        event.serial = serial[:_MAX_SERIAL]
        known = self._store.instances.certificate(serial)
        if known is None or known.link.key != _pin(leaf):
            raise Refused(
                Code.CERTIFICATE_UNKNOWN,
                "the client certificate is not one that this issuer remembers",
                hint="join again with a new token",
            )
        event.instance, event.generation = known.instance_id, known.link.generation
        if prove is not None:
            prove(leaf)
        # The handshake checked it too, but a connection may outlive the certificate. One that comes
        # without a handshake is its sender's word, all but serial number and key: so by our record.
        grace = timedelta(0) if prove is None else RENEWABLE_AFTER_END
        if now >= known.not_after + grace:
            raise Refused(
                Code.CERTIFICATE_EXPIRED,
                "the client certificate has expired",
                hint="join again with a new token",
            )
        return known

    def instance(self, instance_id: str) -> Instance:
        """The instance of that id."""
        instance = self._store.instances.find(instance_id)
        if instance is None:
            raise Refused(Code.CERTIFICATE_UNKNOWN, "the instance is not remembered any more")
        return instance


def _pin(leaf: x509.Certificate) -> str:
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return keys.spki_pin(leaf) if isinstance(key, keys.PublicKey) else ""
