"""What every store must do that keeps projects apart by who asks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from identity.errors import BindingRefused, ProjectElsewhere, SecretNotFound, StateElsewhere
from identity.secret_stores.base import BlockingStore, Secret, SecretRef
from identity.secret_stores.binding import Asker, Bindable, Binding

STATE = "/home/ada/.local/state/devwiz-gw"
HERE = Asker(file="/home/ada/acme/devwiz-gw.toml", state=STATE)
THERE = replace(HERE, file="/home/ada/clone/devwiz-gw.toml")
#: Somebody who names the project on the command line.
PERSON = replace(HERE, file="")
AGENT = replace(HERE, is_agent=True)
EVADING = replace(HERE, state="/tmp/empty/devwiz-gw")

_NUMBERS = itertools.count()


class BoundStore(BlockingStore, Bindable, Protocol):
    """Both in one."""


Asked = Callable[[Asker], BoundStore]


def uses(store: BlockingStore, ref: SecretRef) -> list[Callable[[], object]]:
    """Each way to use a secret."""
    return [
        lambda: store.get(ref),
        lambda: store.get(SecretRef(ref.project, "missing")),
        lambda: store.names(ref.project),
        lambda: store.set(ref, Secret("changed")),
        lambda: store.delete(ref),
    ]


class BindingSuite:
    """Inherit, and give a fixture `asked` that makes a store for an asker; all have the same items.

    Each test has a project of its own.
    """

    @pytest.fixture
    def token(self) -> SecretRef:
        return SecretRef(f"bound-{next(_NUMBERS)}", "token")

    def test_a_project_belongs_to_the_file_that_stored_first(
        self, asked: Asked, token: SecretRef
    ) -> None:
        asked(HERE).set(token, Secret("acme's"))
        for use in uses(asked(THERE), token):
            with pytest.raises(ProjectElsewhere, match=r"belong to /home/ada/acme/") as refused:
                use()
            assert "devwiz-gw secret bind" in refused.value.hint
        assert asked(HERE).get(token).reveal() == "acme's"
        assert asked(HERE).names(token.project) == ["token"]

    @pytest.mark.parametrize(
        "file",
        [
            "/home/ada/ACME/devwiz-gw.toml",
            "/home/ada/acme/Devwiz-gw.toml",
            "/home/ada/acme/../acme/devwiz-gw.toml",
            "/home/ada//acme/devwiz-gw.toml",
            "/home/ada/acme/devwiz-gw.toml/",
            "/home/ada/acme/devwiz-gw.toml ",
            "/home/ada/\u0430cme/devwiz-gw.toml",
            "/home/ada/acme\u200b/devwiz-gw.toml",
            "devwiz-gw.toml",
            '/home/ada/acme/devwiz-gw.toml", "/home/ada/clone',
        ],
    )
    def test_a_path_that_only_looks_the_same_is_another(
        self, asked: Asked, token: SecretRef, file: str
    ) -> None:
        asked(HERE).set(token, Secret("acme's"))
        with pytest.raises(ProjectElsewhere):
            asked(replace(HERE, file=file)).get(token)

    def test_a_use_that_is_recorded_elsewhere_is_refused(
        self, asked: Asked, token: SecretRef
    ) -> None:
        asked(HERE).set(token, Secret("acme's"))
        for asker in (EVADING, replace(EVADING, file="")):
            for use in uses(asked(asker), token):
                with pytest.raises(StateElsewhere, match=f"kept under {STATE}") as refused:
                    use()
                assert "unset XDG_STATE_HOME" in refused.value.hint
                assert "move-state" in refused.value.hint
        assert asked(HERE).get(token).reveal() == "acme's"

    def test_who_names_the_project_is_believed_and_binds_no_file(
        self, asked: Asked, token: SecretRef
    ) -> None:
        asked(PERSON).set(token, Secret("acme's"))
        assert asked(PERSON).binding(token.project) == Binding((), STATE)
        assert asked(HERE).get(token).reveal() == "acme's"
        assert asked(PERSON).get(token).reveal() == "acme's"
        with pytest.raises(ProjectElsewhere):
            asked(THERE).get(token)

    def test_an_agent_is_not_the_first_to_use_what_is_kept(
        self, asked: Asked, token: SecretRef
    ) -> None:
        asked(PERSON).set(token, Secret("acme's"))
        for use in uses(asked(AGENT), token):
            with pytest.raises(ProjectElsewhere, match="an agent may not be the first"):
                use()
        assert asked(HERE).get(token).reveal() == "acme's"
        assert asked(AGENT).get(token).reveal() == "acme's"

    def test_an_agent_may_begin_a_project(self, asked: Asked, token: SecretRef) -> None:
        asked(AGENT).set(token, Secret("new"))
        assert asked(HERE).get(token).reveal() == "new"

    def test_the_first_use_is_told_once(self, asked: Asked, token: SecretRef) -> None:
        told: list[str] = []
        asker = replace(HERE, on_bound=told.append)
        asked(asker).set(token, Secret("v"))
        asked(asker).get(token)
        asked(asker).delete(token)
        assert told == [token.project]

    def test_a_file_is_let_in_and_kept_out(self, asked: Asked, token: SecretRef) -> None:
        asked(HERE).set(token, Secret("acme's"))
        both = Binding((HERE.file, THERE.file), STATE)
        for _ in range(2):
            assert asked(THERE).rebind(token.project, "bind") == both
        assert asked(THERE).get(token).reveal() == asked(HERE).get(token).reveal() == "acme's"
        assert asked(THERE).binding(token.project) == both
        assert asked(THERE).rebind(token.project, "unbind", HERE.file) == Binding(
            (THERE.file,), STATE
        )
        with pytest.raises(ProjectElsewhere):
            asked(HERE).get(token)
        assert asked(THERE).get(token).reveal() == "acme's"

    def test_the_last_file_stays(self, asked: Asked, token: SecretRef) -> None:
        asked(HERE).set(token, Secret("acme's"))
        with pytest.raises(BindingRefused, match="is not among the configurations"):
            asked(HERE).rebind(token.project, "unbind", THERE.file)
        with pytest.raises(BindingRefused, match="the only configuration"):
            asked(HERE).rebind(token.project, "unbind", HERE.file)
        assert asked(HERE).binding(token.project) == Binding((HERE.file,), STATE)

    def test_the_state_is_moved_and_lets_no_file_in(self, asked: Asked, token: SecretRef) -> None:
        asked(HERE).set(token, Secret("acme's"))
        stranger = asked(replace(EVADING, file=THERE.file))
        with pytest.raises(StateElsewhere):
            stranger.rebind(token.project, "bind")
        stranger.rebind(token.project, "move")
        with pytest.raises(ProjectElsewhere):
            stranger.get(token)
        assert asked(EVADING).get(token).reveal() == "acme's"
        with pytest.raises(StateElsewhere):
            asked(HERE).get(token)

    def test_projects_are_bound_apart(self, asked: Asked, token: SecretRef) -> None:
        other = SecretRef(f"{token.project}-other", "token")
        asked(HERE).set(token, Secret("acme's"))
        asked(THERE).set(other, Secret("other's"))
        assert asked(THERE).get(other).reveal() == "other's"
        for asker, ref in ((HERE, other), (THERE, token)):
            with pytest.raises(ProjectElsewhere):
                asked(asker).get(ref)

    def test_a_binding_outlives_the_secrets(self, asked: Asked, token: SecretRef) -> None:
        asked(HERE).set(token, Secret("acme's"))
        asked(HERE).delete(token)
        with pytest.raises(SecretNotFound):
            asked(HERE).get(token)
        with pytest.raises(ProjectElsewhere):
            asked(THERE).set(token, Secret("theirs"))

    def test_more_files_than_an_item_holds(self, asked: Asked, token: SecretRef) -> None:
        asked(HERE).set(token, Secret("acme's"))
        files = [f"/home/ada/{'deep/' * 40}{number}/devwiz-gw.toml" for number in range(8)]
        files.append("/home/\udcff\U0001f511/devwiz-gw.toml")
        for file in files:
            asked(replace(HERE, file=file)).rebind(token.project, "bind")
        assert asked(HERE).binding(token.project) == Binding((HERE.file, *files), STATE)
        assert asked(replace(HERE, file=files[-1])).get(token).reveal() == "acme's"
