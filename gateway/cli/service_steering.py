"""What `devwiz-gw service` tells systemd and launchd to do, and people to know."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from gateway.cli.service_plan import Plan
from gateway.errors import GatewayError
from gateway.service.access import ServiceUser, check_access
from gateway.service.manager_program import ManagerProgram, systemctl
from gateway.service.systemd import all_names
from gateway.service.unit_files import FileChange

_SHOWN: Final = {
    "ActiveState": "state",
    "SubState": "phase",
    "StatusText": "says",
    "MainPID": "pid",
    "NRestarts": "restarts",
    "UnitFileState": "at start",
}


class Steering(Protocol):
    """A service in its manager's hands."""

    def before(self, changes: Sequence[FileChange]) -> None:
        """Stop what is about to be removed."""

    def installed(self, enabled: Sequence[str], *, changed: bool) -> None:
        """Its files are written."""

    def removed(self) -> None:
        """Its files are gone."""

    def start(self) -> None:
        """Start it; returns when it is ready."""

    def stop(self) -> None:
        """Stop it; returns when it has."""

    def status(self) -> dict[str, str]:
        """Facts for people; `state` is one of systemd's."""


def steering(manager: str, name: str, folder: Path, *, is_system: bool) -> Steering:
    """The service `name`, whose files are in `folder`."""
    if manager == "systemd":
        return BySystemd(name, folder, systemctl(is_system=is_system))
    domain = "system" if is_system else f"gui/{os.getuid()}"
    return ByLaunchd(name, folder, ManagerProgram("launchctl"), domain)


class BySystemd:
    """See `Steering`."""

    def __init__(self, name: str, folder: Path, run: ManagerProgram) -> None:
        self._service, self._socket, self._vault = all_names(name)
        self._folder = folder
        self._run = run

    def before(self, changes: Sequence[FileChange]) -> None:
        """See `Steering`."""
        gone = [change.path.name for change in changes if change.after is None]
        # A socket first: somebody may connect meanwhile.
        for unit in sorted(gone, key=lambda name: not name.endswith(".socket")):
            self._run("disable", "--now", unit)

    def installed(self, enabled: Sequence[str], *, changed: bool) -> None:
        """See `Steering`."""
        if changed:
            self._run("daemon-reload")
        for unit in (self._service, self._socket):
            if unit in enabled:
                self._run("enable", unit)
            elif (self._folder / unit).exists():
                self._run("disable", unit)

    def removed(self) -> None:
        """See `Steering`."""
        self._run("daemon-reload")
        # What failed is remembered beyond its file.
        self._run.ask("reset-failed", self._service)

    def start(self) -> None:
        """See `Steering`."""
        self._run("start", self._service)

    def stop(self) -> None:
        """See `Steering`."""
        units = (self._socket, self._service, self._vault)
        there = [unit for unit in units if (self._folder / unit).exists()]
        self._run("stop", *(there or [self._service]))

    def status(self) -> dict[str, str]:
        """See `Steering`."""
        told = self._run("show", self._service, f"--property={','.join(_SHOWN)}")
        values = dict(line.partition("=")[::2] for line in told.splitlines())
        facts = {label: values.get(key, "") for key, label in _SHOWN.items()}
        if (self._folder / self._socket).exists():
            shown = self._run("show", self._socket, "--property=ActiveState")
            facts["socket"] = shown.strip().partition("=")[2]
        return facts


class ByLaunchd:
    """See `Steering`."""

    def __init__(self, name: str, folder: Path, run: ManagerProgram, domain: str) -> None:
        self._file = folder / f"{name}.plist"
        self._target = f"{domain}/{name}"
        self._domain = domain
        self._run = run

    def before(self, changes: Sequence[FileChange]) -> None:
        """See `Steering`."""
        # A list that is loaded isn't read again.
        if any(change.before is not None for change in changes) and self._is_loaded():
            self._run("bootout", self._target)

    def installed(self, enabled: Sequence[str], *, changed: bool) -> None:  # noqa: ARG002
        """See `Steering`."""
        self._run("enable", self._target)

    def removed(self) -> None:
        """See `Steering`."""

    def start(self) -> None:
        """See `Steering`."""
        if self._is_loaded():
            self._run("kickstart", self._target)
        else:
            self._run("bootstrap", self._domain, str(self._file))

    def stop(self) -> None:
        """See `Steering`."""
        if self._is_loaded():
            self._run("bootout", self._target)

    def status(self) -> dict[str, str]:
        """See `Steering`."""
        code, told, _ = self._run.ask("print", self._target)
        if code:
            return {"state": "inactive"}
        lines = (line.strip().partition(" = ") for line in told.splitlines())
        facts = {key: value for key, _, value in lines if key in ("state", "pid", "last exit code")}
        facts["state"] = "active" if facts.get("state") == "running" else "inactive"
        return facts

    def _is_loaded(self) -> bool:
        return not self._run.ask("print", self._target)[0]


def check(made: Plan) -> None:
    """See that the service could run. Raises `GatewayError`."""
    if not made.spec.is_system:
        return
    if made.folder.exists() and not os.access(made.folder, os.W_OK):
        raise GatewayError(
            f"{made.folder} is root's to write to", hint="the machine's services need sudo"
        )
    user = ServiceUser.named(made.spec.run_as)
    needed = [path for path in made.spec.uses if path.exists() and not path.is_socket()]
    check_access(user, reads=needed, writes=made.make)


def advice(made: Plan) -> Iterator[str]:
    """What is to be known, and done, after the installation."""
    options = " --system" if made.spec.is_system else ""
    yield f"start it, having stopped one that runs: devwiz-gw service start{options} --name " + (
        made.spec.name
    )
    yield "install it again when the configuration names other files, folders or times"
    if made.manager == "systemd" and not made.spec.is_system:
        yield (
            "it ends with your last session, unless it may run from the machine's start on: "
            "loginctl enable-linger"
        )
    config = made.config
    if config is None:
        return
    if config.secrets.store == "keychain":
        yield "it needs the keychain of your session: until that is unlocked, secrets are missing"
    if config.secrets.store == "vault" and made.spec.credential is None:
        yield "the vault has to be unlocked by hand after each start: devwiz-gw vault unlock"
