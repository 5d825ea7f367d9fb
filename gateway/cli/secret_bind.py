"""`devwiz-gw secret bind|bound|unbind|move-state`: who may use a project, recorded where."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.asking import asker_of
from gateway.audit.files import CURRENT
from gateway.audit.journal import AuditFailed, Journal
from gateway.audit.moving import take_over
from gateway.cli import output
from gateway.cli.admin_client import AdminClient
from gateway.cli.approval import AgentRefused
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands
from gateway.cli.snapshot import snapshot_of
from gateway.cli.touch import Action, Gate
from gateway.config.find import locate_admin_socket
from gateway.config.mfa_policy import MfaConfig
from gateway.errors import GatewayError
from identity.errors import BindingRefused, SecretDamaged
from identity.mfa.prompts import PromptFile, prompt_path
from identity.secret_stores.binding import Asker, Bindable, Binding, Rebinding, rebound
from identity.secret_stores.open import open_bindable, open_blocking_store


def add_bindings(commands: Commands) -> None:
    """Add the commands that say which configurations may use a project's secrets."""
    commands.add(
        "bind",
        summary="let this configuration use its project's secrets, after it was moved or copied",
        examples=("devwiz-gw secret bind", "devwiz-gw secret bind --config acme.toml"),
        run=bind,
    )
    bound = commands.add(
        "bound",
        summary="list the configurations that may use the project's secrets, and where its "
        "journal is kept",
        examples=("devwiz-gw secret bound", "devwiz-gw secret bound --json"),
        run=_bound,
    )
    bound.add_argument("--json", action="store_true", help="print JSON")
    unbinding = commands.add(
        "unbind",
        summary="keep a configuration out that was let in",
        examples=("devwiz-gw secret unbind old/devwiz-gw.toml",),
        run=_unbind,
    )
    unbinding.add_argument("file", metavar="FILE", type=Path, help="a file that `bound` lists")
    commands.add(
        "move-state",
        summary="keep the project's journal and touch counters where XDG_STATE_HOME and HOME say "
        "now",
        examples=("XDG_STATE_HOME=/srv/state devwiz-gw secret move-state",),
        run=_move_state,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """The project of a configuration, and its store as one that knows who may use it."""

    kind: str
    folder: Path | None
    project: str
    asker: Asker
    store: Bindable

    def journal(self, state: str = "") -> Journal:
        """The journal below a state folder, or below the one of now."""
        path = Path(state or self.asker.state, self.project, CURRENT)
        return Journal(path, project=self.project)

    def binding(self) -> Binding:
        """What the project is bound to."""
        return self.store.binding(self.project) or Binding()

    def approve(self, journal: Journal, command: str, target: str, what: str) -> str:
        """Ask for a touch where keys are enrolled, and for a person's word where an agent asks;
        the agent, or "". What this configuration demands doesn't count: it may be anybody's.

        Raises:
            AgentRefused, TouchDenied, SecurityKeyUnavailable.
        """
        action = Action(command=command, targets=(target,))
        kept = open_blocking_store(self.kind, folder=self.folder, asker=None)
        with closing(kept):
            gate = Gate(kept, journal, MfaConfig(is_unknown=True), action)
            try:
                return gate.approve(what=what)
            except AgentRefused as refused:
                journal.record(_event(command), outcome="denied", name=target, reason=str(refused))
                raise


def _event(command: str) -> str:
    return command.replace(" ", ".")


@contextmanager
def _opened(args: argparse.Namespace, kind: str = "") -> Iterator[_Scope]:
    snapshot = snapshot_of(args, required=True)
    snapshot.refuse(list(snapshot.problems))
    kind, folder, project = kind or snapshot.store, snapshot.secrets_folder, snapshot.project
    asker = asker_of(snapshot.place, os.environ)
    with closing(open_bindable(kind, asker=asker, folder=folder)) as store:
        yield _Scope(kind=kind, folder=folder, project=project, asker=asker, store=store)


def bind(args: argparse.Namespace, kind: str = "") -> int:
    """Let the configuration use its project; in the store `kind`, or in its own.

    Raises:
        StateElsewhere: the project's state is kept elsewhere.
        AgentRefused, TouchDenied, SecurityKeyUnavailable: nobody approved it.
        Fault: the store or the journal can't be used.
    """
    with _opened(args, kind) as scope:
        file = scope.asker.file
        try:
            before = scope.store.binding(scope.project)
        except SecretDamaged:
            before = None  # what can't be read is bound anew
        rebound(before, scope.project, "bind", scope.asker, "")
        what = f"leave for {file} to use the secrets of project {scope.project}"
        _change(scope, "bind", file, what)
    output.note(f"{file} may use the secrets of project {scope.project}")
    return ExitCode.OK


def _change(scope: _Scope, how: Rebinding, file: str, what: str) -> None:
    journal = scope.journal()
    agent = scope.approve(journal, f"secret {how}", file, what)
    with journal.around(f"secret.{how}", name=file, reason=agent):
        scope.store.rebind(scope.project, how, file)


def _unbind(args: argparse.Namespace) -> int:
    with _opened(args) as scope:
        given: Path = args.file
        file = str(given.parent.resolve() / given.name)
        before = scope.binding()
        rebound(before, scope.project, "unbind", scope.asker, file)
        if before.state not in {"", scope.asker.state}:
            rebound(before, scope.project, "bind", scope.asker, "")  # says where the journal is
        _change(scope, "unbind", file, f"{file} to be kept from project {scope.project}")
    output.note(f"{file} may no longer use the secrets of project {scope.project}")
    return ExitCode.OK


def _bound(args: argparse.Namespace) -> int:
    with _opened(args) as scope:
        binding = scope.binding()
    if args.json:
        output.document(
            {
                "project": scope.project,
                "store": scope.kind,
                "configurations": list(binding.files),
                "state": binding.state,
            }
        )
        return ExitCode.OK
    if not binding.files:
        output.note(f"project {scope.project} is bound to no configuration yet")
    for file in binding.files:
        output.line(output.printable(file))
    if binding.state:
        output.note(f"its journal is kept under {binding.state}")
    return ExitCode.OK


def _move_state(args: argparse.Namespace) -> int:
    with _opened(args) as scope:
        before, now = scope.binding(), scope.asker.state
        if before.state in {"", now}:
            raise BindingRefused(
                f"the state of project {scope.project} is not kept anywhere else than in {now}",
                hint="set XDG_STATE_HOME to the folder that it is to be moved to",
            )
        _refuse_running(scope.project, before)
        old = scope.journal(before.state)
        is_there = _is_there(old.path.parent)  # on a new machine it isn't
        journal = old if is_there else scope.journal()
        what = f"the journal of project {scope.project} to be kept in {now}"
        with _touches_counted(before.state) if is_there else nullcontext():
            agent = scope.approve(journal, "secret move-state", now, what)
        with journal.around("secret.move-state", name=now, reason=agent):
            aside = _copied(scope, before.state) if is_there else None
            scope.store.rebind(scope.project, "move")
            scope.journal().record(
                "secret.move-state", outcome="ok", name=now, reason=f"from {before.state}"
            )
    if not is_there:
        output.note(f"there is no journal in {old.path.parent} any more")
    if aside is not None:
        output.note(f"what was there already is in {aside}")
    output.note(f"the state of project {scope.project} is kept in {now}; start its gateway again")
    return ExitCode.OK


def _refuse_running(project: str, binding: Binding) -> None:
    """Refuse while a gateway of the project runs: it would go on with the journal that is left."""
    for file in binding.files:
        client = AdminClient(locate_admin_socket(Path(file)))
        with suppress(GatewayError):
            if client.status().get("project") != project:
                continue
            raise BindingRefused(
                f"the gateway of {file} runs, and would go on with the journal that is left behind",
                hint=f"end it first: devwiz-gw --config {shlex.quote(file)} drain",
            )


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except PermissionError:
        return False


def _copied(scope: _Scope, before: str) -> Path | None:
    new = Path(scope.asker.state, scope.project)
    try:
        aside = take_over(Path(before, scope.project), new)
    except OSError as error:
        raise AuditFailed(
            f"the state can't be copied to {new}: {(error.strerror or str(error)).lower()}",
            hint="check the folder's mode and the free space; the old one stays in use",
        ) from error
    return aside


@contextmanager
def _touches_counted(before: str) -> Iterator[None]:
    """Touches are asked for by what both state folders know of past ones, and both know of these:
    no folder to move to is one without limits.
    """
    now = prompt_path(os.environ)
    old = Path(before, now.name)
    PromptFile(now, time.time).take_over(old)
    try:
        yield
    finally:
        PromptFile(old, time.time).take_over(now)
