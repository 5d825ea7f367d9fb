"""The store "vault", as far as this process has a part in it: it asks the process with the key.

Nothing here knows a key, so it imports no cryptography and starts at once.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from identity.errors import (
    BindingRefused,
    IdentityError,
    InvalidSecretName,
    InvalidSecretValue,
    ProjectElsewhere,
    SecretDamaged,
    SecretNotFound,
    StateElsewhere,
    StoreUnavailable,
    VaultDamaged,
    VaultLocked,
    VaultMissing,
    VaultRolledBack,
)
from identity.secret_stores.base import Secret, SecretRef, check_project, check_value
from identity.secret_stores.binding import Asker, Binding, Rebinding, read_binding
from identity.secret_stores.keychain_frames import read_frame, write_frame
from identity.secret_stores.vault.peer import is_own_process
from identity.secret_stores.vault.place import Place, check_folder, check_private
from identity.secret_stores.vault.socket_path import reachable

#: What the process with the key may answer instead of a result, by name.
ERRORS: Final[dict[str, type[IdentityError]]] = {
    kind.__name__: kind
    for kind in (
        BindingRefused,
        InvalidSecretName,
        InvalidSecretValue,
        ProjectElsewhere,
        SecretDamaged,
        SecretNotFound,
        StateElsewhere,
        StoreUnavailable,
        VaultDamaged,
        VaultMissing,
        VaultRolledBack,
    )
}
_TIMEOUT_S: Final = 30.0


class VaultClient:
    """A `BlockingStore`, and `Bindable`, whose calls are made by the process with the unlocked key.

    `asker` is who wants the secrets; None where nobody uses any.
    """

    def __init__(self, place: Place, *, asker: Asker | None, timeout_s: float = _TIMEOUT_S) -> None:
        self._place = place
        self._asker = asker
        self._timeout_s = timeout_s
        self._connection: socket.socket | None = None

    def get(self, ref: SecretRef) -> Secret:
        """See `SecretStore.get`."""
        return Secret(self._call("get", project=ref.project, name=ref.name)["value"])

    def set(self, ref: SecretRef, value: Secret) -> None:
        """See `SecretStore.set`."""
        check_value(value)
        self._call("set", project=ref.project, name=ref.name, value=value.reveal())

    def delete(self, ref: SecretRef) -> None:
        """See `SecretStore.delete`."""
        self._call("delete", project=ref.project, name=ref.name)

    def names(self, project: str) -> list[str]:
        """See `SecretStore.names`."""
        check_project(project)
        return list(self._call("names", project=project)["names"])

    def binding(self, project: str) -> Binding | None:
        """See `Bindable.binding`."""
        check_project(project)
        text = self._call("binding", project=project)["binding"]
        return None if text is None else read_binding(text, project)

    def rebind(self, project: str, how: Rebinding, file: str = "") -> Binding:
        """See `Bindable.rebind`."""
        check_project(project)
        return read_binding(self._call(how, project=project, file=file)["binding"], project)

    def status(self) -> dict[str, Any]:
        """What the process with the key says of itself. Raises `VaultLocked`."""
        return self._call("status")

    def check(self) -> dict[str, Any]:
        """See that the vault is whole and the newest: `Checked.facts`.

        Raises:
            VaultLocked: nothing has its key.
            VaultDamaged, VaultRolledBack, StoreUnavailable: it isn't.
        """
        return self._call("check")

    def lock(self) -> None:
        """End the process with the key, and wait until it has wiped it.

        Raises:
            VaultLocked: there is none.
        """
        self._call("lock")

    def close(self) -> None:
        """Nothing is held open between calls."""

    def interrupt(self) -> None:
        """Give up the call in progress."""
        connection = self._connection
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _call(self, op: str, **more: str) -> dict[str, Any]:
        asker = None if self._asker is None else self._asker.message()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            self._connect(connection)
            self._connection = connection
            try:
                answer = _converse(connection, {"op": op, "asker": asker, **more})
            except OSError as error:
                raise _silent(str(error.strerror or error)) from error
            finally:
                self._connection = None
        if answer is None:
            raise _silent("it ended the connection")
        if kind := answer.get("error"):
            raise ERRORS.get(kind, StoreUnavailable)(answer["message"], hint=answer["hint"])
        if self._asker is not None and answer.get("bound"):
            self._asker.on_bound(more["project"])
        return answer

    def _connect(self, connection: socket.socket) -> None:
        check_folder(self._place.folder)
        connection.settimeout(self._timeout_s)
        try:
            with reachable(self._place.socket) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionError):
            check_private(self._place)  # says it better, if there is no vault
            raise VaultLocked(
                "the vault is locked: unlock it", hint="run: devwiz-gw vault unlock"
            ) from None
        except OSError as error:
            raise _silent(str(error.strerror or error)) from error
        if not is_own_process(connection):
            raise StoreUnavailable(
                f"another user's process listens on {self._place.socket}",
                hint="it is asked nothing; look at who may write to that folder",
            )


def _converse(connection: socket.socket, request: dict[str, Any]) -> dict[str, Any] | None:
    with connection.makefile("rwb") as stream:
        write_frame(stream, request)
        answer = read_frame(stream)
        if request["op"] == "lock":
            stream.read(1)  # until the process has wiped the key
    return answer


def _silent(what: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"the process that holds the vault's key did not answer: {what.lower()}",
        hint="was the vault just locked, or the machine busy? 'devwiz-gw vault status' tells; "
        "a process that hangs ends by: devwiz-gw vault lock",
    )
