"""What follows once `init` has written its file: secrets, clients, and a look by `doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from gateway.cli.init_questions import Questions
from gateway.clients.catalogue import CLIENTS
from gateway.config.model import Config, Route
from gateway.first_run.surroundings import clients_here, unignored
from identity.errors import IdentityError

if TYPE_CHECKING:
    from gateway.doctor.finding import Report
    from gateway.first_run.plan import RoutePlan

#: How `client print` shows a route to programs that speak so.
_FORMS: Final = {"langgraph": "langgraph", "a2a": "a2a"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The file as it is now, and its new route."""

    config: Config
    plan: RoutePlan

    @property
    def route(self) -> Route:
        """As the configuration has it: the last one."""
        return self.config.routes[-1]


def hint_at_private_files(questions: Questions, folder: Path, names: Sequence[str]) -> None:
    """Say which files shouldn't get into version control."""
    if found := unignored(folder, names):
        questions.say(f"keep out of version control, by .gitignore: {', '.join(found)}")


def set_secrets(questions: Questions, written: Written, names: Sequence[str]) -> None:
    """Offer to set those of the secrets that aren't kept yet; a value is typed, unseen."""
    missing = _missing(questions, written, names) if names else []
    for name in missing:
        if questions.agreed(f"set the secret {name} now?", default=True):
            _command(questions, written, "secret", "set", name)
        else:
            questions.say(f"to be set: devwiz-gw secret set {name}")


def _missing(questions: Questions, written: Written, names: Sequence[str]) -> list[str]:
    kind = written.config.secrets.store
    if kind not in {"keychain", "vault"}:
        return []
    if kind == "vault":
        _open_vault(questions, written)
    if not questions.asks:
        return list(names)
    from gateway.asking import asker_of
    from identity.secret_stores.open import open_blocking_store

    store = open_blocking_store(
        kind,
        folder=written.config.secrets.folder,
        asker=asker_of(written.config.path, os.environ),
    )
    try:
        kept = store.names(written.config.project)
    except IdentityError as error:
        questions.say(f"the {kind} can't be used now: {error}")
        kept = []
    finally:
        store.close()
    return [name for name in names if name not in kept]


def _open_vault(questions: Questions, written: Written) -> None:
    """Offer to make the vault, and to unlock it."""
    state = _vault_state(written.config)
    if state == "missing":
        if not questions.agreed("make the vault now?", default=True):
            questions.say("to be made: devwiz-gw vault init, then devwiz-gw vault unlock")
            return
        _command(questions, written, "vault", "init")
        state = _vault_state(written.config)
    if state == "locked" and questions.agreed("unlock the vault now?", default=True):
        _command(questions, written, "vault", "unlock")


def _vault_state(config: Config) -> Literal["open", "locked", "missing"]:
    from identity.secret_stores.vault.client import VaultClient
    from identity.secret_stores.vault.place import find_place

    place = find_place(config.secrets.folder, os.environ)
    if not place.database.exists():
        return "missing"
    try:
        VaultClient(place, asker=None).status()
    except IdentityError:
        return "locked"
    return "open"


def tell_clients(questions: Questions, written: Written, wanted: Sequence[str]) -> None:
    """Put the route into files of local clients: into those that are `wanted`, or of those that
    seem to be in use into each that a person agrees to.
    """
    if written.plan.speaks != "mcp" and not wanted:
        form = _FORMS.get(written.plan.speaks, "url")
        shown = f"devwiz-gw client print {written.route.name} --client {form}"
        questions.say(f"how it is reached: {shown}")
        return
    found = {client.name: scope for client, scope in clients_here(Path.cwd(), os.environ)}
    for name in wanted or found:
        command = ["client", "install", written.route.name, "--client", name]
        if name in found:
            command += ["--scope", found[name]]
        if written.plan.path:
            command += ["--path", written.plan.path]
        whose = "this project" if found.get(name) == "project" else "you"
        if wanted or questions.agreed(f"tell {CLIENTS[name].title} (for {whose})?"):
            _command(questions, written, *command)
        elif not questions.asks:
            questions.say(f"to tell {CLIENTS[name].title}: devwiz-gw {' '.join(command)}")


def examined_by_doctor(written: Written, *, join: bool) -> Report:
    """What doctor finds about the new route; `join` lets it ask for a certificate that costs."""
    from gateway.cli.doctor import examined

    path = written.plan.path or "/mcp"
    return examined(written.config.path, [written.route.name], join=join, mcp_path=path)


def _command(questions: Questions, written: Written, *words: str) -> bool:
    """Run another verb, told as it would be typed; whether it went well. What it says is said about
    this one's work.
    """
    from gateway.cli.main import main

    questions.say(f"$ devwiz-gw {' '.join(words)}")
    with redirect_stdout(sys.stderr):
        return main(["--config", str(written.config.path), *words]) == 0


def keychain_problem(project: str) -> str:
    """Why the keychain can't be used; "" when it answers."""
    from identity.secret_stores.open import open_blocking_store

    try:
        store = open_blocking_store("keychain", asker=None)
    except IdentityError as error:
        return str(error)
    try:
        store.names(project)
    except IdentityError as error:
        return str(error)
    finally:
        with suppress(IdentityError):
            store.close()
    return ""
