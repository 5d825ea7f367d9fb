"""What this machine suggests for a first configuration: names, free ports, sockets, clients."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.clients.catalogue import CLIENTS, KnownClient, user_files
from identity.endpoint import ENVIRONMENT_NAME

_FIRST_PORT: Final = 8701
_LAST_PORT: Final = 8799
#: Where agents of the Workload API listen unless they are told otherwise: SPIRE's own default, its
#: Helm charts, the CSI driver's mount, Istio.
_AGENTS: Final = (
    "/run/spire/agent-sockets/spire-agent.sock",
    "/run/spire/sockets/agent.sock",
    "/tmp/spire-agent/public/api.sock",  # noqa: S108 - looked at, never written
    "/spiffe-workload-api/spire-agent.sock",
    "/var/run/secrets/workload-spiffe-uds/socket",
)
_NO_IPV6: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME: Final = 63


def project_name(folder: Path) -> str:
    """A project's name after its folder's; "" where that holds no letter or digit of ASCII."""
    return _named(folder.name)


def route_name(upstream: str, taken: Collection[str] = ()) -> str:
    """A route's name after the upstream's host, that no other route has."""
    try:
        host = urlsplit(upstream).hostname or ""
    except ValueError:
        host = ""
    first = host.partition(".")[0]
    name = "remote" if ":" in host or first.isdigit() else _named(first) or "remote"
    names = (name, *(f"{name[: _LONGEST_NAME - 4]}-{n}" for n in range(2, len(taken) + 3)))
    return next(item for item in names if item not in taken)


def free_port(taken: Collection[int] = ()) -> int:
    """The first port that nobody listens on at either loopback address, and no route has."""
    for port in range(_FIRST_PORT, _LAST_PORT + 1):
        if port not in taken and all(map(_is_free, _loopbacks(port))):
            return port
    return _FIRST_PORT


def workload_socket(env: Mapping[str, str]) -> str:
    """The Workload API of this machine as `socket` names it; "" where the environment does, or
    there is none.
    """
    if env.get(ENVIRONMENT_NAME):
        return ""
    return next((f"unix://{path}" for path in _AGENTS if _is_socket(path)), "")


def has_workload_api(env: Mapping[str, str]) -> bool:
    """Whether an agent of the Workload API was found."""
    return bool(env.get(ENVIRONMENT_NAME) or workload_socket(env))


def clients_here(folder: Path, env: Mapping[str, str]) -> Iterator[tuple[KnownClient, str]]:
    """The clients that seem to be in use, with the scope of the file that they would be told in: a
    project's, where `folder` has one already, else the user's.
    """
    for client in CLIENTS.values():
        of_project = [folder / name for name in client.project]
        of_user = [Path(path) for path in user_files(client, env, platform=sys.platform)]
        if _is_used(of_project, folder):
            yield client, "project"
        elif _is_used(of_user, Path(env.get("HOME") or "/")):
            yield client, "user"


def unignored(folder: Path, names: Collection[str]) -> list[str]:
    """Those files of `names` that lie in the work tree of Git around `folder`, and that the
    `.gitignore` there doesn't name.
    """
    top = next((item for item in (folder, *folder.parents) if (item / ".git").exists()), None)
    if top is None:
        return []
    ignored = _lines(folder / ".gitignore") | _lines(top / ".gitignore")
    found = []
    for name in names:
        path = Path(os.path.normpath(folder / name))
        if path.is_relative_to(top) and not {name, f"/{name}", path.name} & ignored:
            found.append(str(path.relative_to(top)))
    return found


def _is_used(paths: Sequence[Path], above: Path) -> bool:
    """Whether one of the files is there, or the folder that a client made for it below `above`."""
    return any(path.is_file() or (path.parent != above and path.parent.is_dir()) for path in paths)


def _named(text: str) -> str:
    return _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-")


def _loopbacks(port: int) -> Iterator[tuple[socket.AddressFamily, tuple[str, int]]]:
    yield socket.AF_INET, ("127.0.0.1", port)
    if socket.has_ipv6:
        yield socket.AF_INET6, ("::1", port)


def _is_free(place: tuple[socket.AddressFamily, tuple[str, int]]) -> bool:
    family, address = place
    try:
        with socket.socket(family) as sock:
            if os.name == "posix":
                # As listeners do: what is left of closed connections is no obstacle.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        # Where there is no IPv6, nobody can listen there.
        return family == socket.AF_INET6 and error.errno in _NO_IPV6
    return True


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return False


def _lines(path: Path) -> set[str]:
    try:
        return {line.strip() for line in path.read_text(errors="replace").splitlines()}
    except OSError:
        return set()
