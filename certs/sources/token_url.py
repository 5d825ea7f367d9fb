"""Where an identity token may be asked for. Pure."""

from __future__ import annotations

import ipaddress
from typing import Final

from yarl import URL

# Metadata servers of clouds speak plain HTTP, by a link that ends in the machine's own host.
_PLAIN_HOSTS: Final = frozenset({"localhost", "metadata.google.internal"})


def is_token_url(text: str) -> bool:
    """Whether a token may be asked for there: HTTPS, or HTTP that doesn't leave the machine."""
    try:
        url = URL(text)
    except ValueError:
        return False
    if not url.host or url.user or url.password or url.fragment:
        return False
    return url.scheme == "https" or (url.scheme == "http" and _is_near(url.host))


def _is_near(host: str) -> bool:
    if host in _PLAIN_HOSTS:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local
