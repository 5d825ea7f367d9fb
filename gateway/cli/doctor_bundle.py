"""Gathers what a bug report needs, and writes it into a .zip."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import socket
import ssl
import sys
import tomllib
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import output
from gateway.cli.parsers import PROGRAM
from gateway.config.find import locate_admin_socket
from gateway.errors import ConfigInvalid, GatewayError
from identity.atomic_file import write_atomic
from identity.fault import Fault
from identity.secret_stores.base import Secret, SecretRef, is_own

if TYPE_CHECKING:
    from gateway.config.model import Config
    from gateway.doctor.bundle import Gathered
    from gateway.doctor.finding import Report

_MOST_BYTES: Final = 4 * 1024 * 1024
_MOST_CREDENTIAL: Final = 256 * 1024
_LIKE_SECRETS: Final = re.compile(r"TOKEN|SECRET|KEY|PASS|CREDENTIAL|AUTH|COOKIE|SESSION", re.I)
_PROXIES: Final = re.compile(r"(?:https?|all|no)_proxy", re.I)
_REQUIRED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Under these keys a configuration has what belongs to an organization.
_HOSTS: Final = frozenset(
    {"upstream", "addresses", "server_name", "url", "token_url", "to", "peer"}
)
_HOST: Final = re.compile(r"(?:^|://|dns:)([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)")


def write(target: Path, report: Report, path: Path, *, mask_names: bool) -> None:
    """Write the bundle about the configuration at `path`, mode 0600, whole or not at all.

    Raises:
        GatewayError: it can't be written, or something secret is in it in spite of all.
    """
    from gateway.doctor.bundle import files_of, withheld
    from gateway.doctor.scrubbing import Scrubber

    config = _config(path)
    values = known_values(config)
    gathered = _gathered(report, path, config)
    names = _of_machine() | (names_of_organization(gathered.configuration) if mask_names else {})
    known = [*values.values(), *withheld(gathered.configuration)]
    scrubber = Scrubber(known, names, addresses=mask_names)
    files = files_of(gathered, scrubber)
    _check(files, values)
    try:
        write_atomic(target, _zipped(files), 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GatewayError(f"{target} can't be written: {reason}", hint="name another file") from (
            error
        )
    output.note(f"{target} has {', '.join(files)}; look into it before you pass it on")


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _check(files: Mapping[str, bytes], values: Mapping[str, str]) -> None:
    """The last look: no known value may be in it, in any form."""
    from gateway.cli.leaks import Detector

    detector = Detector({name: Secret(value) for name, value in values.items()})
    for name, data in files.items():
        if leaks := detector.leaks_in([data]):
            raise GatewayError(
                f"nothing was written: {name} would hold {leaks[0].name} ({leaks[0].form})",
                hint="this is a defect of the redaction: please report it without a bundle",
            )


# What is secret


def known_values(config: Config | None) -> dict[str, str]:
    """Values that must not be in it, so far as they can be had without asking anybody."""
    found = {
        f"${name}": value
        for name, value in os.environ.items()
        if _LIKE_SECRETS.search(name) and not value.startswith(("/", "unix:"))
    }
    if config is not None:
        found |= _in_files(config)
        found |= _in_store(config)
    return {name: value for name, value in found.items() if value.strip()}


def _in_files(config: Config) -> Iterator[tuple[str, str]]:
    from gateway.doctor.secret_names import credential_files

    for path in credential_files(config):
        with suppress(OSError):
            with path.open("rb") as file:
                text = file.read(_MOST_CREDENTIAL).decode("utf-8", "replace")
            yield str(path), text


def _in_store(config: Config) -> Iterator[tuple[str, str]]:
    """The project's secrets. Each reading is in the journal; what needs a touch isn't read."""
    from gateway.asking import asker_of
    from gateway.audit.files import journal_path
    from gateway.audit.journal import Journal
    from gateway.doctor.secret_names import secrets_named
    from identity.secret_stores.open import open_blocking_store

    settings = config.secrets
    if settings.store == "memory" or not secrets_named(config):
        return
    journal = Journal(journal_path(config.project, os.environ), project=config.project)
    try:
        asker = asker_of(config.place, os.environ)
        store = open_blocking_store(settings.store, folder=settings.folder, asker=asker)
    except Fault:
        return
    try:
        for name in store.names(config.project):
            if is_own(name):
                continue
            with suppress(Fault):
                with journal.around("secret.read", name=name, reason="doctor --bundle"):
                    value = store.get(SecretRef(config.project, name))
                yield name, value.reveal()
    except Fault as fault:
        output.note(f"the secrets' values aren't known to the redaction: {fault}")
    finally:
        store.close()


def _of_machine() -> dict[str, str]:
    """What names a person, or this machine."""
    home = str(Path.home())
    user = os.environ.get("USER", "") or Path(home).name
    names = {socket.gethostname(): "this-host", home: "~"}
    if len(user) > 2 and user != "root":
        names[user] = "user"
    return {name: into for name, into in names.items() if len(name) > 1 and name != "localhost"}


def names_of_organization(raw: object) -> dict[str, str]:
    """Hosts, workloads, the project, routes and secrets, each by another name."""
    found: dict[str, str] = {}
    for kind, name in _names_in(raw):
        if name not in found and name != "localhost":
            found[name] = f"{kind}-{sum(into.startswith(kind) for into in found.values()) + 1}"
    return found


def _names_in(raw: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(raw, Mapping):
        for name, value in raw.items():
            yield from _names_in(value, str(name))
    elif isinstance(raw, list):
        for value in raw:
            yield from _names_in(value, key)
    elif isinstance(raw, str):
        yield from _names_of(raw, key)


def _names_of(text: str, key: str) -> Iterator[tuple[str, str]]:
    for name in re.findall(r"\{(?:secret|token):([A-Za-z0-9._-]+)\}", text):
        yield "secret", name
    if text.startswith("spiffe://"):
        domain, *rest = text.removeprefix("spiffe://").split("/")
        yield "domain", domain
        yield from (("part", part) for part in rest if "*" not in part and len(part) > 2)
    elif key in _HOSTS:
        yield from (("host", name) for name in _HOST.findall(text))
    elif key in {"project", "name"}:
        yield ("project" if key == "project" else "route"), text


# What is gathered


def _config(path: Path) -> Config | None:
    from gateway.config.load import load

    try:
        return load(path)
    except ConfigInvalid:
        return None


def _gathered(report: Report, path: Path, config: Config | None) -> Gathered:
    from gateway.audit.files import journal_path
    from gateway.doctor.bundle import MOST_LINES, Gathered

    status, requests = _of_running(path)
    log = config.log.file if config is not None else None
    journal = journal_path(config.project, os.environ) if config is not None else None
    return Gathered(
        report=report,
        configuration=_tables(path),
        platform=_platform(),
        status=status,
        requests=requests[-MOST_LINES:],
        log=_last_lines(log, MOST_LINES),
        journal=_last_lines(journal, MOST_LINES),
    )


def _tables(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _of_running(path: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    from gateway.cli.admin_client import AdminClient

    client = AdminClient(locate_admin_socket(path))
    try:
        return client.status(), client.document("/requests?last=200").get("requests", [])
    except Fault:
        return None, []


def _last_lines(path: Path | None, most: int) -> list[dict[str, Any]]:
    """The last lines of a file that are objects of JSON."""
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _MOST_BYTES))
            lines = deque(file, maxlen=most)
    except OSError:
        return []
    return [value for line in lines if isinstance(value := _object(line), dict)]


def _object(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _platform() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "python": sys.version,
        "openssl": ssl.OPENSSL_VERSION,
        "version": metadata.version(PROGRAM),
        "packages": dict(_versions(metadata.requires(PROGRAM) or ())),
        "proxies": sorted(name for name in os.environ if _PROXIES.fullmatch(name)),
    }


def _versions(required: Iterable[str]) -> Iterator[tuple[str, str]]:
    for requirement in required:
        match = _REQUIRED.match(requirement)
        if match is not None:
            with suppress(metadata.PackageNotFoundError):
                yield match[0], metadata.version(match[0])
