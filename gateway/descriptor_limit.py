"""What the process asks of the operating system at its start."""

from __future__ import annotations

import os


def raise_descriptor_limit(wanted: int) -> int:
    """Allow up to `wanted` open descriptors, as far as the hard limit goes; what is allowed now."""
    if os.name != "posix":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
        return ceiling
    return soft
