"""The ways to join the issuer that ships with this program: what proves us, read when it is needed.

One-time token: given out by a person, and spent. Identity token: of a provider or a cluster, read
anew each time. Bound key: a key that stays on this machine, with which a gateway comes back by
itself, however late.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives import serialization

from certs.errors import SourceDenied
from certs.keys import PrivateKey
from certs.sources.credential import ReadCredential, credential
from certs.sources.device_key import DeviceKey, HeldKey
from certs.sources.issuer_client import IssuerClient, Reply
from certs.sources.signing_key import sign_jwt
from identity.secret_stores.base import Secret

PROOF_TYPE: Final = "devwiz-gw-proof+jwt"

_MAKE_ONE: Final = "make one with 'devwiz-gw issuer token' and put it where the configuration says"
_SEE_SOURCE: Final = "is what writes the identity token at work? see [identity.issuer]"


class Attempt(Protocol):
    """What was read to prove us, for one join."""

    async def join(self, client: IssuerClient, context: ssl.SSLContext, csr_pem: bytes) -> Reply:
        """Join. `context` must only connect to the issuer itself."""
        ...

    async def keep(self, reply: Reply) -> None:
        """The reply was good: keep what the next join needs, before anything of it is used."""
        ...


class JoinWay(Protocol):
    """One way to join. `is_unattended` where using it costs nobody anything, so that it is taken
    also while a certificate that can't be renewed is still good.
    """

    is_unattended: bool

    async def ready(self, *, timeout_s: float) -> Attempt:
        """Read what proves us.

        Raises:
            SourceUnavailable: it can't be read now.
            SourceDenied: there is none.
        """
        ...


class OneTimeToken:
    """The token that `issuer token` prints; `read` is called for each join."""

    is_unattended = False

    def __init__(self, read: ReadCredential) -> None:
        self._read = read

    async def ready(self, *, timeout_s: float) -> Attempt:
        """See `JoinWay`."""
        token = await credential(
            self._read, step="join", timeout_s=timeout_s, what="join token", remedy=_MAKE_ONE
        )
        return _Plain({"token": token.reveal().strip()})


class IdentityToken:
    """A token of an identity provider, or of a Kubernetes cluster, for the join rule `rule`."""

    is_unattended = True

    def __init__(self, rule: str, read: ReadCredential) -> None:
        self._rule = rule
        self._read = read

    async def ready(self, *, timeout_s: float) -> Attempt:
        """See `JoinWay`."""
        token = await credential(
            self._read,
            step="join",
            timeout_s=timeout_s,
            what="identity token",
            remedy=_SEE_SOURCE,
        )
        return _Plain({"rule": self._rule, "id_token": token.reveal().strip()})


class BoundKey:
    """The key of this machine, bound to the join rule `rule`.

    Args:
        device: where the key is, and the join state.
        read_registration: gives the registration secret, which binds the key at its first join;
            None for a key that was registered beforehand.
    """

    is_unattended = True

    def __init__(
        self, rule: str, device: DeviceKey, read_registration: ReadCredential | None = None
    ) -> None:
        self._rule = rule
        self._device = device
        self._read_registration = read_registration

    async def ready(self, *, timeout_s: float) -> Attempt:
        """See `JoinWay`. Where there is a registration secret to show, the key is made as well."""
        held = await self._device.held(
            make=self._read_registration is not None, timeout_s=timeout_s
        )
        evidence: dict[str, str] = {}
        if held.join_state:
            evidence["join_state"] = held.join_state
        elif self._read_registration is not None:
            secret = await self._registration(self._read_registration, held, timeout_s)
            if secret is not None:
                evidence["registration_secret"] = secret.reveal().strip()
        return _WithKey(self._rule, self._device, held, evidence)

    async def _registration(
        self, read: ReadCredential, held: HeldKey, timeout_s: float
    ) -> Secret | None:
        try:
            return await credential(
                read,
                step="join",
                timeout_s=timeout_s,
                what="registration secret",
                remedy="make one with 'devwiz-gw issuer token --method bound-key'",
            )
        except SourceDenied:
            # It is needed once, and may be gone since; a key that is new is not bound yet.
            if held.is_new:
                raise
            return None


@dataclass(frozen=True, slots=True, repr=False)
class _Plain:
    evidence: Mapping[str, str]

    async def join(self, client: IssuerClient, context: ssl.SSLContext, csr_pem: bytes) -> Reply:
        return await client.join(context, evidence=self.evidence, csr_pem=csr_pem)

    async def keep(self, reply: Reply) -> None:
        """Nothing: the next join begins anew."""


@dataclass(frozen=True, slots=True, repr=False)
class _WithKey:
    rule: str
    device: DeviceKey
    held: HeldKey
    evidence: Mapping[str, str]

    async def join(self, client: IssuerClient, context: ssl.SSLContext, csr_pem: bytes) -> Reply:
        challenge = await client.challenge(context, purpose="join", subject=self.rule)
        evidence = {
            "rule": self.rule,
            "public_key_pem": _public_pem(self.held.key),
            "proof": proof(self.held.key, challenge, csr_pem),
            **self.evidence,
        }
        return await client.join(context, evidence=evidence, csr_pem=csr_pem)

    async def keep(self, reply: Reply) -> None:
        # Where it can't be kept the certificate isn't used, and the join is asked for again with
        # the same key: to the issuer that is one join, and the state of before is still good.
        if reply.join_state:
            await self.device.keep_state(reply.join_state)


def proof(key: PrivateKey, challenge: str, csr_pem: bytes) -> str:
    """The answer to a challenge, for this signing request alone."""
    claims: dict[str, Any] = {
        "challenge": challenge,
        "csr_sha256": hashlib.sha256(csr_pem).hexdigest(),
    }
    return sign_jwt(claims, key, {"typ": PROOF_TYPE})


def _public_pem(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
