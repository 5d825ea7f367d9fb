"""What each project of a keychain is bound to: one item for each, beside its secrets.

It is not under a key: whoever may write to the keychain can change it, and could as well read the
secrets. It is written before the first secret, and stays when the last one is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from identity.errors import SecretDamaged
from identity.secret_stores.binding import (
    Asker,
    Binding,
    Rebinding,
    admitted,
    read_binding,
    rebound,
)
from identity.secret_stores.item_codec import Damaged
from identity.secret_stores.keychain_items import Addresses, ShardedItems

#: A burst of calls looks once; what is changed by others is seen by the next.
_GOOD_FOR_S: Final = 1.0


class Bindings:
    """The bindings of all projects in one keychain.

    `lock` is as for `ItemStore`, and not held by the caller; `clock` gives seconds. All methods
    raise `ItemsUnavailable`, and `SecretDamaged` for an item that can't be read.
    """

    def __init__(
        self,
        values: ShardedItems,
        addresses: Addresses,
        *,
        lock: Callable[[], AbstractContextManager[None]],
        clock: Callable[[], float],
    ) -> None:
        self._values = values
        self._addresses = addresses
        self._lock = lock
        self._clock = clock
        self._known: dict[tuple[str, Asker], float] = {}

    def read(self, project: str) -> Binding | None:
        """See `Bindable.binding`."""
        try:
            text = self._values.read(self._addresses.binding(project))
            return None if text is None else read_binding(text, project)
        except (Damaged, ValueError) as error:
            raise SecretDamaged(
                f"what project {project} is bound to in the keychain is damaged: {error}",
                hint="bind it again, where its configuration is: devwiz-gw secret bind",
            ) from None

    def admit(
        self, project: str, asker: Asker, *, is_storing: bool, is_kept: Callable[[], bool]
    ) -> bool:
        """Let `asker` use a project, or raise as `admitted` does; whether this has bound it.

        Whoever looks where nothing is kept binds nothing.
        """
        if self._clock() - self._known.get((project, asker), -_GOOD_FOR_S) < _GOOD_FOR_S:
            return False
        before = self.read(project)
        after = admitted(before, project, asker, is_kept=is_kept)
        if after == before:
            self._known[project, asker] = self._clock()
            return False
        if not is_storing and not is_kept():
            return False
        with self._lock():
            after = admitted(self.read(project), project, asker, is_kept=is_kept)
            self._write(project, after)
        return True

    def rebind(self, project: str, how: Rebinding, asker: Asker, file: str) -> Binding:
        """See `Bindable.rebind`. A damaged item is replaced by "bind"."""
        with self._lock():
            try:
                before = self.read(project)
            except SecretDamaged:
                if how != "bind":
                    raise
                before = None
            after = rebound(before, project, how, asker, file)
            if after != before:
                self._write(project, after)
        self._known.clear()
        return after

    def _write(self, project: str, binding: Binding) -> None:
        self._values.write(self._addresses.binding(project), binding.text(project))
