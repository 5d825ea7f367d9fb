"""The identity source for Google Cloud: Workload Identity Federation gives an access token, for
which Certificate Authority Service signs a request.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

from certs import clock_skew, csr, keys, tls_context
from certs.clock import Clock, SystemClock
from certs.errors import CertsError, ReplyRejected, SourceDenied
from certs.generation import Generation
from certs.sources.base import Identity
from certs.sources.google_token import GoogleTokens, OwnSubject
from certs.sources.https_call import Answer, Far, HttpsCaller, json_object
from certs.sources.verified_reply import verified_reply
from certs.svid import MAX_CHAIN_LENGTH
from identity.spiffe import SpiffeId
from identity.token_sources.google_transport import PinnedTransport

_CAS: Final = Far(
    name="the Certificate Authority Service",
    if_unreachable="can this machine reach it?",
    if_stranger="no token was sent to it; does somebody stand in between, or does ca_file lack "
    "its authority?",
)
_MOST_AUTHORITIES: Final = 32
_MOST_WORDS: Final = 300
# A token is fetched for each certificate, so an exchange may take as long as all its requests.
_EXCHANGE_STEPS: Final = 3
_REMEDY: Final = (
    "grant roles/privateca.workloadCertificateRequester and roles/privateca.poolReader on the pool "
    "to the federated principal, and check ca_pool and the pool's issuance policy"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaPool:
    """What signs, and how it is asked.

    Attributes:
        url: of the service.
        name: `projects/P/locations/L/caPools/C`.
        subject_mode: REFLECTED_SPIFFE takes the name from the caller's token, DEFAULT from the
            request.
        lifetime_s: the life to ask for.
    """

    url: str
    name: str
    subject_mode: Literal["REFLECTED_SPIFFE", "DEFAULT"]
    lifetime_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One request with its key, repeated as it is until it was answered well: the service then
    gives the same certificate and makes no second one.
    """

    key: keys.PrivateKey
    request_id: str


class GoogleWifSource:
    """An `IdentitySource` over Workload Identity Federation and Certificate Authority Service.

    Args:
        pool: the CA pool.
        credential_file: an external-account configuration.
        spiffe_id: the name that the certificate has to carry, and is asked for.
        allowed_hosts: the only hosts that tokens are sent to, "HOST" or "HOST:PORT".
        ca_file: authorities of all these servers, PEM; the operating system's when None.
        allow_executables: whether `credential_file` may name a program to run.
        own: signs the subject token ourselves, in place of a `credential_source` of the file.
        clock: this machine's, when None.
        step_timeout_s: deadline of each request.

    Raises:
        CertsError: the pool's url has the wrong form, or its host is not allowed.
        InvalidSpiffeId: `spiffe_id` is not one.
    """

    name = "google-wif"

    def __init__(  # noqa: PLR0913 - what must be known of four services
        self,
        *,
        pool: CaPool,
        credential_file: Path,
        spiffe_id: str,
        allowed_hosts: frozenset[str],
        ca_file: Path | None = None,
        allow_executables: bool = False,
        own: OwnSubject | None = None,
        clock: Clock | None = None,
        step_timeout_s: float = 10.0,
    ) -> None:
        self._clock = clock or SystemClock()
        host = pool.url.removeprefix("https://").removesuffix(":443")
        if host not in {name.removesuffix(":443") for name in allowed_hosts}:
            raise CertsError(
                f"{host} is not among allowed_hosts", hint="add it, or correct cas_url"
            )
        self._caller = HttpsCaller(pool.url, _CAS, timeout_s=step_timeout_s, now=self._clock.now)
        self._pool = pool
        self._ca_file = ca_file
        self._spiffe_id = SpiffeId.parse_leaf(spiffe_id)
        self._tokens = GoogleTokens(
            credential_file,
            PinnedTransport(allowed_hosts=allowed_hosts, ca_file=ca_file, timeout_s=step_timeout_s),
            allow_executables=allow_executables,
            own=own,
            now=self._clock.now,
            timeout_s=_EXCHANGE_STEPS * step_timeout_s,
        )
        self._attempt: _Attempt | None = None

    def __repr__(self) -> str:
        return f"GoogleWifSource({self._pool.name})"

    @property
    def clock_skew_s(self) -> float | None:
        """See `IdentitySource.clock_skew_s`."""
        return self._caller.skew_s

    async def obtain(self, current: Generation | None) -> Identity:  # noqa: ARG002 - the protocol's
        """See `IdentitySource.obtain`."""
        attempt = self._attempt = self._attempt or _Attempt(
            key=keys.generate(), request_id=str(uuid4())
        )
        token = await self._tokens.token()
        try:
            made = await self._create(attempt, token)
            authorities = await self._authorities(token)
            identity = self._verified(attempt.key, made, authorities)
        except (SourceDenied, ReplyRejected):
            # The service has answered: the next request is another one.
            self._attempt = None
            raise
        self._attempt = None
        return identity

    async def changed(self) -> None:
        """Never returns: nothing is pushed."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Forget the request in waiting; there is no connection to close."""
        self._attempt = None

    async def _create(self, attempt: _Attempt, token: str) -> list[str]:
        body = {
            "lifetime": f"{self._pool.lifetime_s}s",
            "pemCsr": csr.build(attempt.key, spiffe_id=str(self._spiffe_id)).decode(),
            "subjectMode": self._pool.subject_mode,
        }
        query = {"certificateId": f"gw-{attempt.request_id}", "requestId": attempt.request_id}
        reply = await self._call("create", f"{self._pool.name}/certificates", token, body, query)
        above = reply.get("pemCertificateChain", [])
        if not isinstance(above, list) or len(above) >= MAX_CHAIN_LENGTH:
            raise ReplyRejected("create: the reply's pemCertificateChain is not a list of some")
        return [_text("create", item) for item in (reply.get("pemCertificate"), *above)]

    async def _authorities(self, token: str) -> list[str]:
        """Of all authorities of the pool, so that one can be replaced by another."""
        reply = await self._call("trust", f"{self._pool.name}:fetchCaCerts", token, {}, None)
        chains = reply.get("caCerts")
        found: list[str] = []
        for item in chains if isinstance(chains, list) else []:
            certificates = item.get("certificates") if isinstance(item, dict) else None
            found.extend(
                _text("trust", text)
                for text in (certificates if isinstance(certificates, list) else [])
            )
        if not 0 < len(found) <= _MOST_AUTHORITIES:
            raise ReplyRejected(f"trust: the pool has no authorities, or over {_MOST_AUTHORITIES}")
        return found

    async def _call(
        self,
        step: str,
        path: str,
        token: str,
        body: dict[str, str],
        query: dict[str, str] | None,
    ) -> dict[str, Any]:
        answer = await self._caller.call(
            step,
            "POST",
            f"v1/{path}",
            await self._context(),
            body=body,
            headers={"Authorization": f"Bearer {token}"},
            query=query,
        )
        if answer.status != 200:
            raise self._refusal(step, answer)
        members = json_object(answer.body)
        if members is None:
            raise ReplyRejected(f"{step}: the reply is not a JSON object")
        return members

    def _refusal(self, step: str, answer: Answer) -> CertsError:
        said = _words(answer.body)
        if answer.is_temporary:
            return self._caller.temporary(step, answer, said)
        if answer.status in (400, 401, 403, 404, 409):
            remarks = (clock_skew.remark(answer.skew_s), _REMEDY)
            return SourceDenied(
                f"{step}: the Certificate Authority Service refuses ({answer.status})"
                + (said and f": {said}"),
                hint="; ".join(remark for remark in remarks if remark),
            )
        return self._caller.not_understood(step, answer)

    def _verified(self, key: keys.PrivateKey, made: list[str], authorities: list[str]) -> Identity:
        wanted, now = self._spiffe_id, self._clock.now()
        return verified_reply("create", made, authorities, key=key, spiffe_id=wanted, now=now)

    async def _context(self) -> ssl.SSLContext:
        path = self._ca_file
        try:
            return tls_context.host_context(
                await asyncio.to_thread(path.read_bytes) if path else None
            )
        except (OSError, ValueError) as error:
            raise SourceDenied(f"create: {path} holds no readable authority") from error


def _text(step: str, value: object) -> str:
    if not isinstance(value, str) or not value.isascii():
        raise ReplyRejected(f"{step}: a certificate of the reply is not a text")
    return value


def _words(body: bytes) -> str:
    """The service's own reason, as one line. It is the authenticated service that speaks."""
    error = (json_object(body) or {}).get("error")
    said = error.get("message") if isinstance(error, dict) else None
    if not isinstance(said, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in said[:_MOST_WORDS]).strip()
