"""Is Google's Certificate Authority Service in reach?"""

from __future__ import annotations

import asyncio

from certs.errors import SourceDenied
from certs.sources.https_call import Far, HttpsCaller
from certs.tls_context import host_context
from gateway.config.model import GoogleWifSourceConfig
from gateway.doctor.case import Means


async def reach_service(wanted: GoogleWifSourceConfig, means: Means) -> None:
    """Whether the service answers anything at all. Raises `CertsError`."""
    far = Far(
        name="the Certificate Authority Service",
        if_unreachable="is the network there, and is cas_url right?",
        if_stranger="somebody may stand in between; ca_file names other authorities to trust",
    )
    caller = HttpsCaller(wanted.cas_url, far, timeout_s=means.deadline_s, now=means.now)
    ca_file = wanted.ca_file
    try:
        context = host_context(await asyncio.to_thread(ca_file.read_bytes) if ca_file else None)
    except (OSError, ValueError) as error:
        raise SourceDenied(f"{ca_file} holds no readable authority") from error
    await caller.call("reach", "GET", "v1", context)
