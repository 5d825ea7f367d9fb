"""Identity tokens that have to be asked for: from an address, or from a program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
from yarl import URL

from certs.errors import CertsError, SourceDenied, SourceUnavailable
from certs.sources.credential import ReadCredential
from certs.sources.https_call import json_object
from certs.sources.token_url import is_token_url
from identity.errors import TokenDenied, TokenUnavailable
from identity.http_exchange import ReplyTooLarge, exchange
from identity.program import Program, output_of
from identity.secret_stores.base import Secret

_MAX_TOKEN_BYTES: Final = 16_384
_TIMEOUT_S: Final = 8.0


def token_from_url(
    url: str,
    *,
    headers: Mapping[str, str],
    member: str = "",
    read_bearer: ReadCredential | None = None,
) -> ReadCredential:
    """Reads a token from `url`, which answers with it, or with JSON that has it in `member`.

    Args:
        headers: sent along; `read_bearer` gives what goes into Authorization.

    Raises:
        CertsError: `is_token_url` says no.
    """
    if not is_token_url(url):
        raise CertsError(
            "the address of the identity token is not usable",
            hint="use https; http only for this machine and a cloud's metadata server",
        )

    async def read() -> Secret:
        sent = dict(headers)
        if read_bearer is not None:
            sent["Authorization"] = f"Bearer {(await read_bearer()).reveal().strip()}"
        return _token(await _fetched(URL(url), sent), member)

    return read


def token_from_command(arguments: Sequence[str], *, member: str = "") -> ReadCredential:
    """Reads a token that a program prints, or prints as JSON in `member`. No shell is involved; one
    that others may write to is not run.
    """

    async def read() -> Secret:
        return _token(await _printed(arguments), member)

    return read


async def _fetched(url: URL, headers: Mapping[str, str]) -> bytes:
    where = f"{url.scheme}://{url.host}"
    try:
        reply = await exchange(
            "GET", url, timeout_s=_TIMEOUT_S, most_bytes=_MAX_TOKEN_BYTES, headers=headers
        )
    except ReplyTooLarge:
        raise SourceDenied(
            f"the token from {where} is larger than {_MAX_TOKEN_BYTES} bytes"
        ) from None
    except TimeoutError:
        raise SourceUnavailable(f"{where} didn't answer in {_TIMEOUT_S:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise SourceUnavailable(f"{where} can't be reached") from error
    except ValueError:
        # Its text is not passed on: it is about what we would have sent.
        raise SourceDenied(
            f"nothing was sent to {where}: what goes along has characters that no header can hold",
            hint="is the bearer token one line, and nothing but itself?",
        ) from None
    if reply.status == 200:
        return reply.body
    refusal = SourceUnavailable if reply.status >= 429 else SourceDenied
    raise refusal(f"{where} answered status {reply.status}")


async def _printed(arguments: Sequence[str]) -> bytes:
    """What the program prints; it has the environment of this process, as CI's own tools need."""
    program = Program(
        command=arguments,
        env=os.environ,
        timeout_s=_TIMEOUT_S,
        folder=None,
        most_bytes=_MAX_TOKEN_BYTES,
    )
    try:
        return await output_of(program)
    except TokenUnavailable as error:
        raise SourceUnavailable(str(error), hint=error.own_hint) from error
    except TokenDenied as error:
        raise SourceDenied(str(error), hint=error.own_hint) from error


def _token(content: bytes, member: str) -> Secret:
    if member:
        value = (json_object(content) or {}).get(member)
        if not isinstance(value, str):
            raise SourceDenied(f"the answer is not a JSON object with a text {member!r}")
        return Secret(value)
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise SourceDenied("the answer is not a token")
    return Secret(text)
