"""One request to a collector over OTLP/HTTP in JSON, and what its answer means.

Source: the OpenTelemetry protocol specification 1.10, sections on OTLP/HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from identity.strict_json import strict_value

TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)
_MOST_REPLY: Final = 64 * 1024
_MOST_SAID: Final = 200
_RETRYABLE: Final = frozenset((429, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Accepted:
    """The collector took the spans, but for `rejected` of them; `why` is what it says of these."""

    rejected: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """It took none. A later attempt may do better where `retryable`, after `retry_after_s` if the
    collector says so.
    """

    why: str
    retryable: bool
    retry_after_s: float | None = None


async def post(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes
) -> Accepted | Refused:
    """Send a request; failures of the network are answers, too."""
    own = {"Content-Type": "application/json"}
    try:
        async with session.post(
            url, data=body, headers={**headers, **own}, allow_redirects=False
        ) as reply:
            said = await beginning(reply.content)
            return meaning(reply.status, reply.headers, said, now=datetime.now(UTC))
    except TimeoutError:
        return Refused("the collector did not answer in time", retryable=True)
    except (aiohttp.ClientError, OSError) as error:
        # Neither text nor URL: what they quote may hold a header.
        why = getattr(error, "strerror", None) or type(error).__name__
        return Refused(f"the collector can't be reached: {why}", retryable=True)


async def beginning(content: aiohttp.StreamReader) -> bytes:
    """A body, as far as it is of a sane length."""
    said = bytearray()
    async for piece in content.iter_any():
        said += piece
        if len(said) > _MOST_REPLY:
            break
    return bytes(said)


def meaning(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> Accepted | Refused:
    """What an answer says."""
    if status == 200:
        return _partial_success(body)
    if status not in _RETRYABLE:
        return Refused(f"the collector answered {status}", retryable=False)
    wait_s = retry_after_s(headers.get("Retry-After", ""), now)
    return Refused(f"the collector answered {status}", retryable=True, retry_after_s=wait_s)


def _partial_success(body: bytes) -> Accepted:
    """An ExportTraceServiceResponse; one that can't be read is taken for full success."""
    try:
        told = strict_value(body or b"{}")["partialSuccess"]
        rejected, why = int(told.get("rejectedSpans", 0)), str(told.get("errorMessage", ""))
    except (AttributeError, LookupError, TypeError, ValueError):
        return Accepted()
    return Accepted(max(0, rejected), why[:_MOST_SAID])


def retry_after_s(text: str, now: datetime) -> float | None:
    """What `Retry-After` asks for, RFC 9110 section 10.2.3: seconds or a date; None for neither."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):
        return None
