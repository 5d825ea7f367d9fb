"""From the arguments of `devwiz-gw service` to the files of a service manager."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.audit.files import user_state_folder
from gateway.cli.client_entry import own_command
from gateway.cli.parsers import UsageError
from gateway.config.model import Config
from gateway.errors import GatewayError
from gateway.service import launchd, systemd
from gateway.service.manager_program import has_namespaces, systemd_version
from gateway.service.needs import Program, environment_of, gateway_service, issuer_service
from gateway.service.spec import NAME, ServiceSpec

_DOCS: Final = "docs/operations/service.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a service comes to.

    Attributes:
        manager: "systemd" or "launchd".
        folder: where its files are.
        texts: each file with its text.
        enabled: the units that are started by themselves.
        spec, config: what they were made from, `config` being None for an issuer.
        make: folders that have to be there.
    """

    manager: str
    folder: Path
    texts: Mapping[str, bytes]
    enabled: tuple[str, ...]
    spec: ServiceSpec
    config: Config | None
    make: tuple[Path, ...]

    @property
    def is_ours(self) -> Callable[[bytes], bool]:
        """Tells a file of this command from others."""
        return ours(self.manager)


def ours(manager: str) -> Callable[[bytes], bool]:
    """Tells a file of this command from others."""
    if manager == "systemd":
        return lambda data: data.startswith(systemd.MARK.encode())
    return lambda data: launchd.MARK in data


def manager_of(args: argparse.Namespace) -> str:
    """Which service manager is meant. Raises `UsageError` on a system that has another one."""
    if args.manager is not None:
        return str(args.manager)
    if sys.platform == "darwin":
        return "launchd"
    if sys.platform == "win32":
        raise UsageError(
            "services of Windows aren't made by this command",
            hint=f"{_DOCS} has the commands for the Task Scheduler",
        )
    return "systemd"


def name_of(args: argparse.Namespace) -> str:
    """What the service is called."""
    if args.name is not None:
        name = str(args.name).removesuffix(".service")
    elif args.issuer is not None:
        name = "devwiz-gw-issuer"
    else:
        name = f"devwiz-gw-{_config(args).project}"
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a service", hint="use letters, digits, - and _: --name NAME"
        )
    return name


def folder_of(manager: str, *, is_system: bool, env: Mapping[str, str]) -> Path:
    """Where the manager looks for files: systemd.unit(5), launchd(8)."""
    home = Path(env.get("HOME") or Path.home())
    if manager == "launchd":
        return Path("/Library/LaunchDaemons") if is_system else home / "Library" / "LaunchAgents"
    if is_system:
        return Path("/etc/systemd/system")
    own = Path(env.get("XDG_CONFIG_HOME", ""))
    return (own if own.is_absolute() else home / ".config") / "systemd" / "user"


def file_names(manager: str, name: str) -> tuple[str, ...]:
    """All files that a service may have."""
    return systemd.all_names(name) if manager == "systemd" else (f"{name}.plist",)


def plan(args: argparse.Namespace) -> Plan:
    """Everything, nothing being written. Raises `Fault` for what can't be done."""
    manager, env = manager_of(args), os.environ
    config = None if args.issuer is not None else _config(args)
    spec = _spec(args, config, env)
    folder = folder_of(manager, is_system=args.system, env=env)
    if manager == "launchd":
        return _for_launchd(args, spec, config, folder, env)
    runtime = Path(env.get("XDG_RUNTIME_DIR", ""))
    here = systemd.Systemd(
        version=systemd_version(),
        namespaces=not args.system and has_namespaces(),
        runtime_folder=runtime if runtime.is_absolute() else None,
        ipv6=_has_ipv6(),
    )
    made = systemd.units(spec, here, by_socket=args.socket_activation)
    return Plan(
        manager=manager,
        folder=folder,
        texts={name: text.encode() for name, text in made.texts.items()},
        enabled=made.enabled,
        spec=spec,
        config=config,
        make=tuple(systemd.unmanaged(spec, here)),
    )


def _for_launchd(
    args: argparse.Namespace,
    spec: ServiceSpec,
    config: Config | None,
    folder: Path,
    env: Mapping[str, str],
) -> Plan:
    if args.socket_activation or args.vault_credential is not None:
        raise UsageError(
            "--socket-activation and --vault-credential are for systemd",
            hint="launchd's service opens its own sockets; a vault is unlocked by hand there",
        )
    home = Path(env.get("HOME") or Path.home())
    logs = Path("/var/log") if args.system else home / "Library" / "Logs"
    text = launchd.property_list(spec, log=str(logs / f"{spec.name}.log"))
    return Plan(
        manager="launchd",
        folder=folder,
        texts={f"{spec.name}.plist": text},
        enabled=(spec.name,),
        spec=spec,
        config=config,
        make=spec.writes,
    )


def _spec(args: argparse.Namespace, config: Config | None, env: Mapping[str, str]) -> ServiceSpec:
    name, run_as = name_of(args), _run_as(args)
    program = _program()
    if config is None:
        if args.socket_activation or args.vault_credential is not None:
            raise UsageError("--socket-activation and --vault-credential are for a gateway")
        options = ("--listen", args.listen) if args.listen else ()
        folder = args.issuer.absolute()
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is no folder of an issuer",
                hint=f"devwiz-gw issuer init --dir {folder} --trust-domain NAME makes one",
            )
        return issuer_service(folder, name=name, run_as=run_as, program=program, options=options)
    if args.listen:
        raise UsageError(
            "--listen is for --issuer: a gateway's configuration says where it listens"
        )
    _check_store(args, config)
    credential = args.vault_credential.absolute() if args.vault_credential is not None else None
    environment = environment_of(env, is_system=args.system)
    seen = {**env, **environment}
    return gateway_service(
        config,
        name=name,
        run_as=run_as,
        program=program,
        environment=environment,
        state=user_state_folder(seen),
        credential=credential,
    )


def _program() -> Program:
    command = tuple(own_command())
    folders = (Path(sys.prefix), Path(sys.base_prefix))
    return Program(command, (Path(command[0]), *dict.fromkeys(folders)))


def _run_as(args: argparse.Namespace) -> str:
    if args.run_as is not None and not args.system:
        raise UsageError("--run-as is for --system: a user's service runs as that user")
    return (args.run_as or "devwiz-gw") if args.system else ""


def _check_store(args: argparse.Namespace, config: Config) -> None:
    store = config.secrets.store
    if args.vault_credential is not None and store != "vault":
        raise UsageError(f"--vault-credential unlocks a vault, and [secrets] store is {store!r}")
    if args.system and store == "keychain":
        raise GatewayError(
            "a system's service has no keychain, as nobody is logged in",
            hint='set [secrets] store to "vault", with --vault-credential, or to "folder"; '
            "or install it for your user, without --system",
        )


def _config(args: argparse.Namespace) -> Config:
    from gateway.config.load import find_config, load

    return load(find_config(args.config, cwd=Path.cwd(), env=os.environ))


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
