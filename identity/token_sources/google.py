"""Google access and ID tokens for a credential file: of a person (`gcloud auth application-default
login`), a service account, or workload identity federation; impersonation included.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from google.auth import exceptions, identity_pool, impersonated_credentials, pluggable
from google.oauth2 import credentials as person
from google.oauth2 import service_account

from identity.errors import TokenDenied, TokenError, TokenUnavailable
from identity.retry_after import retry_after_s
from identity.secret_stores.base import Secret
from identity.strict_json import strict_value
from identity.token_sources.base import Token
from identity.token_sources.google_transport import HostRefused, PinnedTransport, told_by
from identity.token_sources.jwt_end import end_of

_MAX_FILE_BYTES: Final = 64 * 1024
_FETCH_S: Final = 40.0
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_ACCOUNT: Final = re.compile(r"/serviceAccounts/([^/:]+):generateAccessToken$")
# What google-auth lets through where a file or an answer has another shape than it expects.
_ODD: Final = (ValueError, OSError, KeyError, TypeError, AttributeError)


class GoogleTokenSource:
    """A `TokenSource`: an ID token for `audience`, or an access token for `scopes` where it is "".

    Args:
        transport: where requests go, and nowhere else.
        allow_executables: whether the file may name a program to run.
    """

    def __init__(
        self,
        credential_file: Path,
        transport: PinnedTransport,
        *,
        audience: str,
        scopes: Sequence[str],
        allow_executables: bool,
    ) -> None:
        self._file = credential_file
        self._transport = transport
        self._audience = audience
        self._scopes = list(scopes)
        self._allow_executables = allow_executables

    async def fetch(self) -> Token:
        """See `TokenSource.fetch`."""
        try:
            async with asyncio.timeout(_FETCH_S):
                return await asyncio.to_thread(self._fetch)
        except TimeoutError as error:
            raise TokenUnavailable(f"Google gave no token within {_FETCH_S:g} s") from error

    async def close(self) -> None:
        """Nothing is held open."""

    # In a thread

    def _fetch(self) -> Token:
        try:
            value, end = self._ask(self._info())
        except HostRefused as error:
            raise TokenDenied(
                f"{self._file} sends tokens to {error}, which is not allowed",
                hint="nothing was sent; is the file from where you think? else add the host to "
                "allowed_hosts",
            ) from error
        except exceptions.TransportError as error:
            raise TokenUnavailable(f"no answer from {told_by(error)}") from error
        except (exceptions.GoogleAuthError, *_ODD) as error:
            raise self._refusal(error) from error
        if not isinstance(value, str) or not value or not isinstance(end, datetime):
            raise TokenDenied("Google gave no token with an end")
        # google-auth writes UTC without saying so.
        return Token(value=Secret(value), expires_at=end if end.tzinfo else end.replace(tzinfo=UTC))

    def _ask(self, info: dict[str, Any]) -> tuple[object, object]:
        if self._audience and info["type"] != "service_account":
            return self._id_token(info)
        if self._audience:
            made = service_account.IDTokenCredentials.from_service_account_info(
                info, target_audience=self._audience
            )
        else:
            made = self._credentials(info, self._scopes)
        made.refresh(self._transport)
        return made.token, made.expiry

    def _id_token(self, info: dict[str, Any]) -> tuple[object, object]:
        """An ID token of the service account that the file impersonates. Asked for here, because
        google-auth would send that request past the transport.
        """
        url = _impersonation(info)
        source = self._credentials(_source_of(info), [_SCOPE])
        source.refresh(self._transport)
        body = {
            "audience": self._audience,
            "includeEmail": True,
            "delegates": info.get("delegates") or [],
        }
        headers = {"Authorization": f"Bearer {source.token}", "Content-Type": "application/json"}
        reply = self._transport(
            url.replace(":generateAccessToken", ":generateIdToken"),
            method="POST",
            body=json.dumps(body).encode(),
            headers=headers,
        )
        told = strict_value(reply.data)
        if reply.status != HTTPStatus.OK:
            raise exceptions.RefreshError(str(told["error"]["message"]))
        return told["token"], end_of(told["token"])

    def _info(self) -> dict[str, Any]:
        try:
            with self._file.open("rb") as file:
                info = strict_value(file.read(_MAX_FILE_BYTES))
        except OSError as error:
            raise TokenDenied(
                f"{self._file} can't be read: {(error.strerror or '').lower()}"
            ) from error
        except ValueError:
            info = None
        if not isinstance(info, dict) or not isinstance(info.get("type"), str):
            raise TokenDenied(
                f"{self._file} holds no Google credentials",
                hint="make some: gcloud auth application-default login",
            )
        return info

    def _credentials(self, info: dict[str, Any], scopes: list[str]) -> Any:
        match info["type"]:
            case "authorized_user":
                return _of_person(info, scopes)
            case "service_account":
                return service_account.Credentials.from_service_account_info(info, scopes=scopes)
            case "external_account":
                return self._federated(info, scopes)
            case "impersonated_service_account":
                url = _impersonation(info)
                return impersonated_credentials.Credentials(
                    source_credentials=self._credentials(_source_of(info), [_SCOPE]),
                    target_principal=_account(url),
                    target_scopes=scopes,
                    delegates=info.get("delegates") or None,
                    iam_endpoint_override=url,
                )
            case kind:
                raise TokenDenied(
                    f"{self._file} holds credentials of the type {kind[:40]!r}, which isn't known"
                )

    def _federated(self, info: dict[str, Any], scopes: list[str]) -> Any:
        if "executable" not in (info.get("credential_source") or {}):
            return identity_pool.Credentials.from_info(info, scopes=scopes)
        if not self._allow_executables:
            raise TokenDenied(
                f"{self._file} names a program to run, which is not allowed",
                hint="set allow_executables = true, and the environment variable "
                "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1, if you trust the file",
            )
        return pluggable.Credentials.from_info(info, scopes=scopes)

    def _refusal(self, error: Exception) -> TokenError:
        last = self._transport.last
        text = f"Google gave no token: {told_by(error)}"
        if last is not None and (last.status == 429 or last.status >= 500):
            return TokenUnavailable(
                text, retry_after_s=retry_after_s(last.headers.get("Retry-After", ""))
            )
        return TokenDenied(
            text, hint="check the file and its rights; a person signs in again with gcloud"
        )


def _of_person(info: Mapping[str, Any], scopes: list[str]) -> person.Credentials:
    return person.Credentials(
        None,
        refresh_token=info["refresh_token"],
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        token_uri=info.get("token_uri") or _TOKEN_URI,
        scopes=scopes,
    )


def _source_of(info: dict[str, Any]) -> dict[str, Any]:
    """The credentials by which a file impersonates."""
    if info["type"] == "external_account":
        return {k: v for k, v in info.items() if k != "service_account_impersonation_url"}
    source = info.get("source_credentials")
    if not isinstance(source, dict) or source.get("type") == "impersonated_service_account":
        raise TokenDenied("the file has no source_credentials that can be used")
    return source


def _impersonation(info: Mapping[str, Any]) -> str:
    url = str(info.get("service_account_impersonation_url", ""))
    if _ACCOUNT.search(url) is None:
        raise TokenDenied(
            "these credentials impersonate no service account, and only those have ID tokens",
            hint="gcloud … --impersonate-service-account makes some that do",
        )
    return url


def _account(url: str) -> str:
    found = _ACCOUNT.search(url)
    return found[1] if found else ""
