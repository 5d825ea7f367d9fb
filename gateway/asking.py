"""Who a command or gateway is, to a store that keeps projects apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.audit.files import journal_path, user_state_folder
from gateway.audit.journal import Journal
from gateway.injection.agents import agent_in
from gateway.injection.ancestors import agent_behind_us
from identity.secret_stores.binding import Asker

#: What the journal calls it that a configuration may use a project from now on.
BOUND: Final = "secret.bind"


def asker_of(place: Path | None, env: Mapping[str, str]) -> Asker:
    """Who asks for the configuration that was read at `place`, or for a person who named the
    project; the first use of a project is put into its journal.
    """
    file = "" if place is None else str(place)

    def tell(project: str) -> None:
        journal = Journal(journal_path(project, env), project=project)
        journal.record(BOUND, outcome="ok", name=file, reason="first use")

    return Asker(
        file=file,
        state=str(user_state_folder(env).resolve()),
        is_agent=bool(agent_in(env) or agent_behind_us()),
        on_bound=tell,
    )
