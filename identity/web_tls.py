"""TLS towards servers that are known by their host name, as on the web."""

from __future__ import annotations

import ssl
from pathlib import Path


def web_context(*, ca_file: Path | None = None, ca_pem: str = "") -> ssl.SSLContext:
    """A client context that checks chain and host name, by the authorities of `ca_file` or
    `ca_pem`, or those that the operating system trusts. Reads files: call it in a thread.

    The name has to be a DNS name or address of the certificate. The subject's common name never
    counts (RFC 9525 §2), which `ssl` alone would take where there is no DNS name.

    Raises:
        OSError, ssl.SSLError: the authorities can't be read.
    """
    context = ssl.create_default_context(cafile=ca_file, cadata=ca_pem or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    return context
