"""Google access tokens by Workload Identity Federation: the real google-auth exchanges what an
external-account configuration names (a file, URL, executable or certificate), or a token that we
sign ourselves, in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from google.auth import exceptions, identity_pool, pluggable

from certs.errors import SourceDenied, SourceUnavailable
from certs.sources.credential import ReadCredential, credential
from certs.sources.https_call import json_object
from certs.sources.signing_key import read_signing_key
from identity.retry_after import retry_after_s
from identity.token_sources.google_transport import HostRefused, PinnedTransport, told_by

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_MAX_FILE_BYTES: Final = 64 * 1024
_SUBJECT_LIFE_S: Final = 300
# What google-auth lets through where a file or an answer has another shape than it expects.
_ODD: Final = (ValueError, OSError, KeyError, TypeError, AttributeError)
_JWT_TYPE: Final = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSubject:
    """We are our own OpenID provider, whose key set was uploaded to the pool's provider.
    `read_credential` gives the private key, PEM or JWK.
    """

    issuer: str
    subject: str
    read_credential: ReadCredential


class GoogleTokens:
    """Gives access tokens.

    Args:
        credential_file: an external-account configuration.
        transport: where its requests go.
        allow_executables: whether it may name a program to run.
        own: in place of a `credential_source` in the file.
        now: the present.
        timeout_s: deadline of a whole exchange.
    """

    def __init__(
        self,
        credential_file: Path,
        transport: PinnedTransport,
        *,
        allow_executables: bool,
        own: OwnSubject | None,
        now: Callable[[], datetime],
        timeout_s: float,
    ) -> None:
        self._file = credential_file
        self._transport = transport
        self._allow_executables = allow_executables
        self._own = own
        self._now = now
        self._timeout_s = timeout_s

    async def token(self) -> str:
        """A new access token.

        Raises:
            SourceUnavailable: try again later.
            SourceDenied: the configuration or what it names is refused; names the step.
        """
        subject = await self._signed_by(self._own) if self._own is not None else None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.to_thread(self._exchange, subject)
        except TimeoutError as error:
            raise SourceUnavailable(
                f"token: no access token within {self._timeout_s:g} s"
            ) from error

    async def _signed_by(self, own: OwnSubject) -> str:
        info = await asyncio.to_thread(self._info)
        held = await credential(own.read_credential, step="token", timeout_s=self._timeout_s)
        key = read_signing_key(held.reveal(), what="token: the signer's key")
        now = int(self._now().timestamp())
        return key.sign(
            {
                "iss": own.issuer,
                "sub": own.subject,
                "aud": str(info.get("audience", "")),
                "iat": now,
                "exp": now + _SUBJECT_LIFE_S,
                "jti": uuid4().hex,
            }
        )

    # In a thread

    def _exchange(self, subject: str | None) -> str:
        try:
            credentials = self._credentials(subject)
            credentials.refresh(self._transport)
        except HostRefused as error:
            raise SourceDenied(
                f"token: {self._file} sends tokens to {error}, which is not allowed",
                hint="nothing was sent; is the file from where you think? else add the host to "
                "allowed_hosts",
            ) from error
        except exceptions.TransportError as error:
            raise SourceUnavailable(f"token: no answer from {told_by(error)}") from error
        except (exceptions.GoogleAuthError, *_ODD) as error:
            raise self._refusal(error) from error
        if not isinstance(credentials.token, str) or not credentials.token.isascii():
            raise SourceDenied("token: the exchange gave no access token")
        return credentials.token

    def _credentials(self, subject: str | None) -> Any:
        info = self._info()
        source = info.get("credential_source")
        if subject is not None:
            if source is not None:
                raise SourceDenied(
                    f"token: {self._file} has a credential_source, and signer_… keys are given",
                    hint="keep one of the two",
                )
            info["subject_token_type"] = _JWT_TYPE
            return identity_pool.Credentials.from_info(
                info, subject_token_supplier=_Given(subject), scopes=[_SCOPE]
            )
        if isinstance(source, dict) and "executable" in source:
            if not self._allow_executables:
                raise SourceDenied(
                    f"token: {self._file} names a program to run, which is not allowed",
                    hint="set allow_executables = true, and the environment variable "
                    "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1, if you trust the file",
                )
            return pluggable.Credentials.from_info(info, scopes=[_SCOPE])
        return identity_pool.Credentials.from_info(info, scopes=[_SCOPE])

    def _info(self) -> dict[str, Any]:
        try:
            with self._file.open("rb") as file:
                info = json_object(file.read(_MAX_FILE_BYTES))
        except OSError as error:
            raise SourceDenied(
                f"token: {self._file} can't be read: {(error.strerror or '').lower()}"
            ) from error
        if info is None or info.get("type") != "external_account":
            raise SourceDenied(
                f"token: {self._file} is not an external-account configuration",
                hint="make one: gcloud iam workload-identity-pools create-cred-config",
            )
        return info

    def _refusal(self, error: Exception) -> SourceDenied | SourceUnavailable:
        last = self._transport.last
        text = f"token: {told_by(error)}"
        if last is not None and (last.status == 429 or last.status >= 500):
            return SourceUnavailable(
                text, retry_after_s=retry_after_s(last.headers.get("Retry-After", ""))
            )
        return SourceDenied(
            text,
            hint="check the pool's provider: issuer, allowed audiences, attribute mapping and "
            "condition; for impersonation roles/iam.workloadIdentityUser",
        )


class _Given(identity_pool.SubjectTokenSupplier):
    """A subject token that is there already."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_subject_token(self, _context: object, _request: object) -> str:
        return self._token
