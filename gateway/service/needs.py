"""From a configuration, or an issuer's folder, to what its service needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Final

from gateway.config.model import (
    Config,
    ExecTokenConfig,
    GoogleTokenConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    UnixAddress,
)
from gateway.service.spec import ServiceSpec
from identity.endpoint import UnixEndpoint
from identity.secret_stores.vault.place import find_place

_WATCHDOG_S: Final = 30.0
#: Where a system's service has its state: `$XDG_STATE_HOME/devwiz-gw`.
SYSTEM_STATE: Final = Path("/var/lib")
#: And its vault, below: `$XDG_DATA_HOME/devwiz-gw/vault`.
SYSTEM_DATA: Final = Path("/var/lib/devwiz-gw/.data")
#: What says where a user's state and vault are; a service manager has its own environment.
_PLACES: Final = ("XDG_STATE_HOME", "XDG_DATA_HOME")
#: What the gateway adds to the time of its drain: see `gateway.control_plane.attendance.SPARE_S`.
_SPARE_S: Final = 25.0


@dataclass(frozen=True, slots=True)
class Program:
    """What starts this program, with arguments to come, and the files and folders it is in."""

    command: tuple[str, ...]
    files: tuple[Path, ...]


def gateway_service(
    config: Config,
    *,
    name: str,
    run_as: str,
    program: Program,
    environment: Mapping[str, str],
    state: Path,
    credential: Path | None = None,
) -> ServiceSpec:
    """The service of a gateway, to which `environment` says where its state and vault are; `state`
    is where.
    """
    vault = [find_place(config.secrets.folder, environment).folder] if credential else []
    chosen = ("--config", str(config.path))
    return ServiceSpec(
        name=name,
        title=f"devwiz-gw, the gateway of the project {config.project}",
        source=config.path,
        command=(*program.command, "serve", *chosen),
        reload=(*program.command, "reload", *chosen),
        run_as=run_as,
        environment=environment,
        uses=tuple(dict.fromkeys([*program.files, config.path, *_paths(config)])),
        writes=tuple(dict.fromkeys([state, *_writes(config), *vault])),
        stop_s=config.limits.linger_timeout_s + config.limits.drain_timeout_s + _SPARE_S,
        watchdog_s=_WATCHDOG_S,
        starts_programs=_starts_programs(config),
        sees_users=_sees_users(config),
        listens=tuple(address for route in config.routes for address in route.listen),
        unlock=(*program.command, "vault", "unlock", "--foreground", *chosen) if credential else (),
        credential=credential,
    )


def issuer_service(
    folder: Path,
    *,
    name: str,
    run_as: str,
    program: Program,
    options: tuple[str, ...],
) -> ServiceSpec:
    """The service of an issuer, with the `options` of `issuer serve`."""
    return ServiceSpec(
        name=name,
        title=f"devwiz-gw, the issuer in {folder.name}",
        source=folder,
        command=(*program.command, "issuer", "serve", "--dir", str(folder), *options),
        run_as=run_as,
        uses=(*program.files, folder),
        writes=(folder,),
        stop_s=30.0,
    )


def environment_of(env: Mapping[str, str], *, is_system: bool) -> dict[str, str]:
    """What a service's environment has of a user's, as a service manager has one of its own; a
    system's service has places of its own.
    """
    if is_system:
        return {"XDG_STATE_HOME": str(SYSTEM_STATE), "XDG_DATA_HOME": str(SYSTEM_DATA)}
    return {place: env[place] for place in _PLACES if Path(env.get(place, "")).is_absolute()}


def _writes(config: Config) -> Iterator[Path]:
    yield config.admin.socket.parent
    if config.workload_api is not None:
        yield config.workload_api.socket.parent
    if config.log.file is not None:
        yield config.log.file.parent
    for route in config.routes:
        yield from (item.path.parent for item in route.listen if isinstance(item, UnixAddress))
    for table in _identities(config):
        yield from (export.folder for export in table.exports)


def _identities(config: Config) -> tuple[IdentityConfig, ...]:
    return (config.identity, *config.identities.values())


def _starts_programs(config: Config) -> bool:
    """Whether it runs hooks, token helpers or what a credential file names."""
    exports = (export for table in _identities(config) for export in table.exports)
    sources = (source for table in _identities(config) for source in table.sources)
    return (
        any(export.command for export in exports)
        or any(
            isinstance(item, GoogleWifSourceConfig) and item.allow_executables for item in sources
        )
        or any(isinstance(token, ExecTokenConfig) for token in config.tokens)
        or any(
            isinstance(token, GoogleTokenConfig) and token.allow_executables
            for token in config.tokens
        )
        or any(item.verify or item.hooks is not None for item in config.rotations)
    )


def _sees_users(config: Config) -> bool:
    named = any(rule.uid is not None for route in config.routes for rule in route.allow)
    return named or (config.workload_api is not None and bool(config.workload_api.allow))


def _paths(value: object) -> Iterator[Path]:
    """Every path in a configuration, however deep."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, UnixEndpoint):
        yield Path(value.path)
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from _paths(getattr(value, item.name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _paths(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from _paths(part)
