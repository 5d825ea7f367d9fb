"""What proves us to an issuer before there is a certificate: a token or a key, read when needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from certs.errors import SourceDenied, SourceUnavailable
from identity.fault import Fault
from identity.secret_stores.base import Secret

ReadCredential = Callable[[], Awaitable[Secret]]


async def credential(
    read: ReadCredential, *, step: str, timeout_s: float, what: str = "credential", remedy: str = ""
) -> Secret:
    """What `read` gives, within the deadline.

    Raises:
        SourceUnavailable: it can't be read now.
        SourceDenied: there is none; `remedy` is the hint where the cause has none of its own.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await read()
    except TimeoutError as error:
        raise SourceUnavailable(f"{step}: the {what} can't be read in time") from error
    except Fault as error:
        if error.retryable:
            raise SourceUnavailable(
                f"{step}: the {what} can't be read now: {error}", hint=error.hint
            ) from error
        raise SourceDenied(
            f"{step}: there is no {what}: {error}", hint=error.own_hint or remedy
        ) from error
    except OSError as error:
        raise SourceDenied(
            f"{step}: there is no {what}: {error.filename}: {error.strerror}", hint=remedy
        ) from error
