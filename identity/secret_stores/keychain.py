"""The store in the operating system's keychain, as far as this process has a part in it."""

from __future__ import annotations

from typing import Any, Final

from identity.errors import (
    BindingRefused,
    IdentityError,
    ProjectElsewhere,
    SecretDamaged,
    StateElsewhere,
    StoreUnavailable,
)
from identity.secret_stores.base import (
    Secret,
    SecretRef,
    check_project,
    check_value,
    not_set,
    not_there,
)
from identity.secret_stores.binding import Asker, Binding, Rebinding, read_binding
from identity.secret_stores.keychain_frames import Area
from identity.secret_stores.keychain_helper import HelperEnded, HelperTimedOut, KeychainHelper

#: What the helper process may refuse, by name.
_REFUSALS: Final[dict[str, type[IdentityError]]] = {
    kind.__name__: kind
    for kind in (BindingRefused, ProjectElsewhere, SecretDamaged, StateElsewhere)
}


class Keychain:
    """A `BlockingStore`, and `Bindable`, whose calls are made by a helper process.

    A locked keychain puts its question to the person once; until it was seen unlocked again,
    further calls only look. So a gateway that polls doesn't raise the question again and again.

    `area` is whose items are meant: "secrets", or those of the vault, which no project can name.
    `asker` is who wants the secrets; None for what belongs to no project.
    """

    def __init__(
        self,
        helper: KeychainHelper,
        *,
        area: Area = "secrets",
        asker: Asker | None = None,
        may_prompt: bool = True,
    ) -> None:
        self._helper = helper
        self._asker = asker
        self._area: Area = area
        self._prompts = self._may_prompt = may_prompt

    def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`. Raises `SecretDamaged` for a value that is not whole."""
        value = self._ask("get", ref.project, name=ref.name)["value"]
        if value is None:
            raise not_set(ref)
        return Secret(value)

    def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        check_value(value)
        self._ask("set", ref.project, name=ref.name, value=value.reveal())

    def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        if not self._ask("delete", ref.project, name=ref.name)["removed"]:
            raise not_there(ref)

    def names(self, project: str) -> list[str]:
        """See `SecretStore.names`. Raises `SecretDamaged` for a list that is not whole."""
        check_project(project)
        return list(self._ask("names", project)["names"])

    def binding(self, project: str) -> Binding | None:
        """See `Bindable.binding`."""
        check_project(project)
        text = self._ask("binding", project)["binding"]
        return None if text is None else read_binding(text, project)

    def rebind(self, project: str, how: Rebinding, file: str = "") -> Binding:
        """See `Bindable.rebind`."""
        check_project(project)
        return read_binding(self._ask(how, project, file=file)["binding"], project)

    def close(self) -> None:
        """End the helper process; the next call starts another."""
        self._helper.stop()

    def interrupt(self) -> None:
        """Kill the helper process."""
        self._helper.kill()

    def _ask(self, op: str, project: str, **more: str) -> dict[str, Any]:
        request = {"op": op, "project": project, "unlock": self._may_prompt, **more}
        request["area"] = self._area
        request["asker"] = None if self._asker is None else self._asker.message()
        try:
            answer = self._helper.call(request)
        except HelperTimedOut as error:
            self._may_prompt = False
            raise _timed_out(error) from error
        except HelperEnded as error:
            raise _unusable(f"its helper process failed: {error}", "try again") from error
        self._may_prompt = self._prompts and answer.get("error") != "locked"
        if answer.get("error") == "refused":
            kind = _REFUSALS.get(answer["kind"], StoreUnavailable)
            raise kind(answer["reason"], hint=answer["hint"])
        if "error" in answer:
            raise _refusal(answer["error"], answer["reason"], project, more.get("name"))
        if self._asker is not None and answer.get("bound"):
            self._asker.on_bound(project)
        return answer


def _timed_out(error: HelperTimedOut) -> StoreUnavailable:
    if error.prompting:
        return _locked(f"nobody answered its question within {error.timeout_s:g} s")
    return _unusable(
        f"it did not answer within {error.timeout_s:g} s", "it may be waiting for a person"
    )


def _refusal(code: str, reason: str, project: str, name: str | None) -> StoreUnavailable:
    if code == "locked":
        return _locked(reason)
    if code == "absent":
        return StoreUnavailable(
            "there is no keychain in this session",
            hint=f'{reason}; on a machine without a desktop: store = "vault" under [secrets], '
            "then devwiz-gw vault init (docs/operations/secrets.md)",
        )
    if code == "damaged":
        what = "the list of names" if name is None else f"secret {project}/{name}"
        return SecretDamaged(
            f"{what} in the keychain is damaged: {reason}", hint="set the secret again"
        )
    return _unusable(f"it failed: {reason}", "look at it with the system's own tool")


def _locked(reason: str) -> StoreUnavailable:
    return StoreUnavailable(
        "the keychain is locked: unlock it",
        hint=f"{reason}; open it in the desktop's password manager, or sign in again",
    )


def _unusable(what: str, hint: str) -> StoreUnavailable:
    return StoreUnavailable(f"the keychain can't be used: {what}", hint=hint)
