"""Whether calls to this machine would be sent to a proxy elsewhere. Pure.

Many HTTP clients read these variables, also for addresses of the machine itself: httpx, requests,
aiohttp with `trust_env`, curl, and Node's agents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from gateway.doctor.finding import Finding

#: What plaintext HTTP goes through; HTTPS_PROXY isn't for it. curl reads HTTP_PROXY only in small
#: letters, and others read it in both.
_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def judge(env: Mapping[str, str]) -> Finding:
    """What the environment, which clients started from the same shell have too, says of proxies."""
    proxies = [name for name in _PROXIES if env.get(name)]
    if not proxies:
        return Finding(rung="proxy", result="pass", detail="no proxy is set for plaintext HTTP")
    named = ", ".join(f"{name} ({_shown(env[name])})" for name in proxies)
    problems = list(_problems(env))
    if not problems:
        detail = f"{named} is set, and this machine is left out of it"
        return Finding(rung="proxy", result="pass", detail=detail)
    return Finding(
        rung="proxy",
        result="warn",
        detail=f"{named} is set, and {'; '.join(problems)}: clients may ask the proxy for the "
        "gateway",
        remedy=f"export NO_PROXY={','.join(_LOCAL)} no_proxy={','.join(_LOCAL)} (with what was in "
        "it before) where clients are started",
    )


def _problems(env: Mapping[str, str]) -> Iterator[str]:
    present = [name for name in _EXCEPTIONS if env.get(name)]
    if not present:
        yield "neither NO_PROXY nor no_proxy is"
    for name in present:
        if missing := _missing(env[name]):
            yield f"{name} lacks {', '.join(missing)}"
    # Each client reads one of them first, and not the same.


def _missing(text: str) -> list[str]:
    entries = {entry.strip().lower().removeprefix(".").strip("[]") for entry in text.split(",")}
    return [] if "*" in entries else [name for name in _LOCAL if name not in entries]


def _shown(text: str) -> str:
    """A proxy's address without the user and password that may be in it."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an address that can't be read"
    return f"{host}:{port}" if port else host
