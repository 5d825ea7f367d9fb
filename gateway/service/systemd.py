"""The units of a service for systemd. Pure.

What a unit may ask of systemd depends on whose manager reads it. A user's has no privileges, so it
can't take capabilities away, and gives a process its own view of the file system only inside a user
namespace (`PrivateUsers=`, systemd.exec(5) "Sandboxing"), which some systems forbid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.model import TcpAddress, UnixAddress
from gateway.errors import GatewayError
from gateway.service.spec import ServiceSpec
from gateway.service.unit_text import assignments, command, raw, words

#: The first line of each unit that we write.
MARK: Final = "# Written by `devwiz-gw service install`"
#: What the credential with the vault's passphrase is called; see `gateway.cli.vault_answers`.
_CREDENTIAL: Final = "devwiz-gw-vault"
_NOTIFY_RELOAD: Final = 253
_RESTART_STEPS: Final = 254
_USER_CREDENTIALS: Final = 256
_HOMES: Final = ("/home", "/root", "/run/user")
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - to see whether they are used

_Lines = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """The systemd that the units are for.

    Attributes:
        version: 0 where it isn't known.
        namespaces: whether a user without privileges may have namespaces of its own.
        runtime_folder: a user's `$XDG_RUNTIME_DIR`.
        ipv6: whether there is an IPv6 loopback.
    """

    version: int = 0
    namespaces: bool = False
    runtime_folder: Path | None = None
    ipv6: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """File names with their texts, and those of them that are to be started with the machine, or
    with the user's session.
    """

    texts: Mapping[str, str]
    enabled: tuple[str, ...] = field(default=())


def units(spec: ServiceSpec, systemd: Systemd, *, by_socket: bool = False) -> Units:
    """All units of a service. With `by_socket` systemd listens for it, and starts it when somebody
    connects.

    Raises:
        GatewayError: this systemd can't do what is asked, or a path can't stand in a unit.
    """
    service, listening, vault = _names(spec)
    texts = {service: _service(spec, systemd, by_socket=by_socket)}
    if by_socket:
        texts[listening] = _socket(spec, systemd)
    if spec.credential is not None:
        texts[vault] = _vault(spec, systemd)
    return Units(texts=texts, enabled=(listening if by_socket else service,))


def all_names(name: str) -> tuple[str, ...]:
    """The files that a service may have, the one first that others need."""
    return (f"{name}.service", f"{name}.socket", f"{name}-vault.service")


def _names(spec: ServiceSpec) -> tuple[str, ...]:
    return all_names(spec.name)


def _service(spec: ServiceSpec, systemd: Systemd, *, by_socket: bool) -> str:
    _, listening, vault = _names(spec)
    needed = [*([listening] if by_socket else []), *([vault] if spec.credential else [])]
    unit = [
        ("Description", raw(spec.title)),
        ("Wants", "network-online.target"),
        ("After", " ".join(["network-online.target", *needed])),
        *((("Requires", " ".join(needed)),) if needed else ()),
        # It is started again for as long as it takes, at ever longer intervals where that is known.
        ("StartLimitIntervalSec", "0"),
    ]
    service = [
        *_life(spec, systemd),
        *_restarts(systemd),
        *_place(spec, systemd, keeps_runtime=by_socket),
        *_sandbox(spec, systemd, by_socket=by_socket),
    ]
    return _text(spec, Unit=unit, Service=service, Install=_install(spec))


def _life(spec: ServiceSpec, systemd: Systemd) -> Iterator[tuple[str, str]]:
    reloads_by_signal = spec.reload and systemd.version >= _NOTIFY_RELOAD
    yield "Type", "notify-reload" if reloads_by_signal else "notify"
    yield "NotifyAccess", "main"
    yield "ExecStart", command(*spec.command)
    if spec.reload and not reloads_by_signal:
        yield "ExecReload", command(*spec.reload)
    yield "TimeoutStartSec", "90"
    yield "TimeoutStopSec", f"{spec.stop_s:g}"
    # Its workers end with it: a signal to them would cut what they carry.
    yield "KillMode", "mixed"
    if spec.watchdog_s:
        yield "WatchdogSec", f"{spec.watchdog_s:g}"


def _restarts(systemd: Systemd) -> Iterator[tuple[str, str]]:
    yield "Restart", "on-failure"
    yield "RestartSec", "2"
    if systemd.version >= _RESTART_STEPS:
        yield "RestartSteps", "6"
        yield "RestartMaxDelaySec", "60"
    # The command line is wrong: that doesn't mend itself.
    yield "RestartPreventExitStatus", "2"


def _place(
    spec: ServiceSpec, systemd: Systemd, *, keeps_runtime: bool
) -> Iterator[tuple[str, str]]:
    if spec.is_system:
        yield "User", raw(spec.run_as)
    if spec.environment:
        yield "Environment", assignments(spec.environment)
    for setting, folders in _managed(spec, systemd).items():
        yield setting, words(folders)
        yield f"{setting}Mode", "0700"
        if setting == "RuntimeDirectory" and keeps_runtime:
            yield "RuntimeDirectoryPreserve", "yes"


def _managed(spec: ServiceSpec, systemd: Systemd) -> dict[str, list[str]]:
    """Folders that systemd makes, and gives to the service's user, below places of its own."""
    roots: dict[str, Path | None]
    if spec.is_system:
        roots = {
            "RuntimeDirectory": Path("/run"),
            "StateDirectory": Path("/var/lib"),
            "LogsDirectory": Path("/var/log"),
            "CacheDirectory": Path("/var/cache"),
        }
    else:
        roots = {"RuntimeDirectory": systemd.runtime_folder}
    found = {
        setting: [
            str(folder.relative_to(root))
            for folder in spec.writes
            if folder.is_relative_to(root) and folder != root
        ]
        for setting, root in roots.items()
        if root is not None
    }
    return {setting: folders for setting, folders in found.items() if folders}


def unmanaged(spec: ServiceSpec, systemd: Systemd) -> list[Path]:
    """The folders that it writes to and that have to be there."""
    bases = {
        "RuntimeDirectory": Path("/run") if spec.is_system else systemd.runtime_folder,
        "StateDirectory": Path("/var/lib"),
        "LogsDirectory": Path("/var/log"),
        "CacheDirectory": Path("/var/cache"),
    }
    managed = {
        base / folder
        for setting, folders in _managed(spec, systemd).items()
        if (base := bases[setting]) is not None
        for folder in folders
    }
    return [folder for folder in spec.writes if folder not in managed]


def _sandbox(
    spec: ServiceSpec, systemd: Systemd, *, by_socket: bool = True
) -> Iterator[tuple[str, str]]:
    yield "UMask", "0077"
    yield "LimitCORE", "0"
    yield "NoNewPrivileges", "yes"
    yield "LockPersonality", "yes"
    yield "RestrictRealtime", "yes"
    yield "RestrictSUIDSGID", "yes"
    yield "RestrictNamespaces", "yes"
    yield "SystemCallArchitectures", "native"
    # Not MemoryDenyWriteExecute: the TLS library's callbacks are made as the program runs (cffi).
    if not spec.starts_programs:
        # Of programs of the user's nothing is known.
        # Netlink tells whose a local connection is.
        yield "RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"
        yield "SystemCallErrorNumber", "EPERM"
        yield "SystemCallFilter", "@system-service"
        # Workers confine themselves; not every systemd counts these among the above.
        landlock = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
        yield "SystemCallFilter", f"{landlock} seccomp"
        yield "SystemCallFilter", "~@privileged @keyring"
    if spec.is_system:
        yield from _privileges(spec, by_socket=by_socket)
        yield from _own_view(spec, systemd)
    elif systemd.namespaces and not spec.sees_users:
        # In a user namespace other users are one and the same nobody.
        yield "PrivateUsers", "yes"
        yield from _own_view(spec, systemd)


def _privileges(spec: ServiceSpec, *, by_socket: bool) -> Iterator[tuple[str, str]]:
    needed = "CAP_NET_BIND_SERVICE" if _has_low_port(spec) and not by_socket else ""
    yield "CapabilityBoundingSet", needed
    yield "AmbientCapabilities", needed
    yield "RemoveIPC", "yes"
    yield "KeyringMode", "private"
    yield "ProtectClock", "yes"
    yield "ProtectHostname", "yes"
    if not spec.sees_users:
        yield "ProtectProc", "invisible"


def _has_low_port(spec: ServiceSpec) -> bool:
    return any(isinstance(item, TcpAddress) and 0 < item.port < 1024 for item in spec.listens)


def _own_view(spec: ServiceSpec, systemd: Systemd) -> Iterator[tuple[str, str]]:
    yield "ProtectSystem", "strict"
    yield "ProtectHome", "read-only" if _needs_home(spec) else "yes"
    yield "PrivateTmp", "no" if spec.uses_below(*_TEMPORARY) else "yes"
    yield "PrivateDevices", "yes"
    for what in ("KernelTunables", "KernelModules", "KernelLogs", "ControlGroups"):
        yield f"Protect{what}", "yes"
    if folders := unmanaged(spec, systemd):
        yield "ReadWritePaths", words(str(folder) for folder in folders)


def _needs_home(spec: ServiceSpec) -> bool:
    """A user's service may need the user's bus, and a program may need anything."""
    return not spec.is_system or spec.starts_programs or spec.uses_below(*_HOMES)


def _socket(spec: ServiceSpec, systemd: Systemd) -> str:
    unit = [("Description", raw(f"{spec.title}: its sockets"))]
    streams = list(_streams(spec.listens, systemd))
    listening = [
        *(("ListenStream", raw(stream)) for stream in streams),
        ("BindIPv6Only", "ipv6-only"),
        ("Backlog", "4096"),
        ("SocketMode", "0600"),
        *((("SocketUser", raw(spec.run_as)),) if spec.is_system else ()),
    ]
    install = [("WantedBy", "sockets.target")]
    return _text(spec, Unit=unit, Socket=listening, Install=install)


def _streams(listens: Iterable[TcpAddress | UnixAddress], systemd: Systemd) -> Iterator[str]:
    for address in listens:
        if isinstance(address, UnixAddress):
            yield str(address.path)
        elif not address.port:
            raise GatewayError(
                "a route listens on any free port, which systemd can't open for it",
                hint="give each route's `listen` a port, or leave --socket-activation out",
            )
        elif ":" not in address.host or systemd.ipv6:
            yield str(address)


def _vault(spec: ServiceSpec, systemd: Systemd) -> str:
    if not spec.is_system and 0 < systemd.version < _USER_CREDENTIALS:
        raise GatewayError(
            f"systemd {systemd.version} has no encrypted credentials for a user's services",
            hint="they came with systemd 256: use --system, or unlock the vault by hand",
        )
    unit = [
        ("Description", raw(f"{spec.title}: its vault, unlocked")),
        ("StartLimitIntervalSec", "0"),
    ]
    service = [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("ExecStart", command(*spec.unlock)),
        ("LoadCredentialEncrypted", f"{_CREDENTIAL}:{raw(str(spec.credential))}"),
        # It locks by itself after some time without use, and is unlocked again.
        ("Restart", "always"),
        ("RestartSec", "2"),
        ("RestartPreventExitStatus", "2"),
        *_place(spec, systemd, keeps_runtime=True),
        *_sandbox(spec, systemd),
    ]
    return _text(spec, Unit=unit, Service=service)


def _install(spec: ServiceSpec) -> list[tuple[str, str]]:
    return [("WantedBy", "multi-user.target" if spec.is_system else "default.target")]


def _text(spec: ServiceSpec, **sections: _Lines) -> str:
    lines = [
        f"{MARK} from {raw(str(spec.source))}.",
        "# Install it again after the configuration has changed; what is to be different goes into",
        f"# {'systemctl' if spec.is_system else 'systemctl --user'} edit {spec.name}",
    ]
    for section, settings in sections.items():
        lines += ["", f"[{section}]", *(f"{key}={value}" for key, value in settings)]
    return "\n".join(lines) + "\n"
