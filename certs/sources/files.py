"""The identity source for files that somebody else writes: `tbot` outputs, cert-manager volumes,
spiffe-helper, a person with `openssl`.

What is read is used only if key and certificate fit.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Final

from certs import keys
from certs.bundle import TrustBundle
from certs.clock import Clock, SystemClock
from certs.errors import InvalidCertificate, ReplyRejected, SourceDenied, SourceUnavailable
from certs.generation import Generation
from certs.sources.base import Identity
from certs.verify import verify_identity
from certs.watched_files import WatchedFiles
from identity.spiffe import SpiffeId

_LOG: Final = logging.getLogger(__name__)

_PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL
)


class FilesSource:
    """An `IdentitySource` over a chain, its key and a trust bundle, PEM.

    `certificate` and `private_key` may be the same file. Who may read and write the files is up to
    `WatchedFiles`.

    With `spiffe_id`, a certificate for another name is not taken.
    """

    name = "files"
    clock_skew_s = None

    def __init__(
        self,
        certificate: Path,
        private_key: Path,
        trust_bundle: Path,
        *,
        spiffe_id: str = "",
        poll_interval_s: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self._trust_bundle = trust_bundle
        self._spiffe_id = SpiffeId.parse_leaf(spiffe_id) if spiffe_id else None
        self._poll_interval_s = poll_interval_s
        self._clock = clock or SystemClock()
        self._files = WatchedFiles(certificate, private_key, trust_bundle, private=[private_key])

    def __repr__(self) -> str:
        return f"FilesSource({self._certificate})"

    async def obtain(self, current: Generation | None) -> Identity:  # noqa: ARG002 - the protocol's
        """See `IdentitySource.obtain`. Files that didn't change give the same identity again."""
        return self._identity(*await self._files.read())

    async def changed(self) -> None:
        """Return when what `obtain` would find differs from what it found last."""
        while True:
            try:
                if await self._files.have_changed():
                    return
            except (SourceUnavailable, SourceDenied) as fault:
                _LOG.debug("the identity's files moved and are not usable yet: %s", fault)
            await self._clock.sleep(self._poll_interval_s)

    async def close(self) -> None:
        """Nothing is held open."""

    def _identity(self, certificate: bytes, private_key: bytes, trust_bundle: bytes) -> Identity:
        try:
            key = keys.from_pem(_key_block(private_key))
        except InvalidCertificate as error:
            raise ReplyRejected(f"{self._private_key}: {error}", hint=error.hint) from error
        try:
            TrustBundle.from_pem(trust_bundle)  # only to blame the right file
        except InvalidCertificate as error:
            raise ReplyRejected(f"{self._trust_bundle}: {error}", hint=error.hint) from error
        try:
            return verify_identity(
                key=key,
                chain_pem=certificate,
                bundle_pem=trust_bundle,
                spiffe_id=self._spiffe_id,
                trust_domain=None,
                now=self._clock.now(),
                # Its life is for whoever wrote it to choose.
                min_life=timedelta(0),
                max_life=timedelta.max,
            )
        except ReplyRejected as error:
            hint = error.own_hint or "key, certificate and bundle must belong together"
            raise ReplyRejected(f"{self._certificate}: {error}", hint=hint) from error


def _key_block(text: bytes) -> bytes:
    """The private key of a file that may hold certificates and curve parameters as well."""
    blocks = [match[0] for match in _PRIVATE_KEY.finditer(text)]
    if len(blocks) != 1:
        raise InvalidCertificate(
            f"the file holds {len(blocks) or 'no'} private keys",
            hint="expected one '-----BEGIN PRIVATE KEY-----' block",
        )
    return blocks[0] + b"\n"
